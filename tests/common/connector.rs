//! The real binary in a directory of its own: started, asked, signalled, killed, started again.

use super::{AciError, Change, DEADLINE, Response, Xml, brief, poll};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use tempfile::TempDir;
use url::form_urlencoded::byte_serialize;
use webconnector::action::Status;

/// What is tested: what cargo has built, or the program that `WEBCONNECTOR_BINARY` names, such as a release.
fn binary() -> PathBuf {
    std::env::var_os("WEBCONNECTOR_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_webconnector").into(), PathBuf::from)
}

/// A task section of the configuration.
pub struct FetchTask {
    name: String,
    settings: Vec<(String, String)>,
}

/// What a connector is started with.
#[derive(Default)]
pub struct Setup {
    tasks: Vec<FetchTask>,
    settings: Vec<(String, String, String)>,
    start: Start,
    descriptors: Option<u32>,
    environment: Vec<(&'static str, String)>,
}

/// How the binary comes by its configuration.
#[derive(Default, Clone, Copy)]
enum Start {
    #[default]
    Named,
    /// It stands in the working directory, under its usual name.
    Found,
}

/// A running connector. Killed when dropped.
pub struct Connector {
    directory: TempDir,
    start: Start,
    descriptors: Option<u32>,
    environment: Vec<(&'static str, String)>,
    process: Option<Process>,
    /// How many lines of each task's output [`Connector::new_changes`] has told.
    told: HashMap<String, usize>,
}

struct Process {
    child: Child,
    aci: SocketAddr,
    service: SocketAddr,
    /// Reads standard output to its end, so that the process never waits on a full pipe.
    reader: Option<JoinHandle<()>>,
}

impl FetchTask {
    pub fn named(name: &str) -> FetchTask {
        FetchTask { name: name.to_owned(), settings: Vec::new() }
    }

    /// A parameter of the section, as it is to stand in the file.
    pub fn set(mut self, name: &str, value: impl Into<String>) -> FetchTask {
        self.settings.push((name.to_owned(), value.into()));
        self
    }
}

impl Setup {
    pub fn new() -> Setup {
        Setup::default()
    }

    pub fn task(mut self, task: FetchTask) -> Setup {
        self.tasks.push(task);
        self
    }

    /// A parameter of any other section.
    pub fn set(mut self, section: &str, name: &str, value: impl Into<String>) -> Setup {
        self.settings.push((section.to_owned(), name.to_owned(), value.into()));
        self
    }

    /// Without `--config`: the file is found in the working directory.
    pub fn found(mut self) -> Setup {
        self.start = Start::Found;
        self
    }

    /// How many files and sockets the process may have open.
    pub fn descriptors(mut self, count: u32) -> Setup {
        self.descriptors = Some(count);
        self
    }

    /// Variables of the process's environment.
    pub fn environment(mut self, variables: impl IntoIterator<Item = (&'static str, String)>) -> Setup {
        self.environment.extend(variables);
        self
    }

    pub fn start(self) -> Connector {
        let directory = TempDir::new().expect("a temporary directory can be made");
        fs::write(directory.path().join("webconnector.cfg"), self.text()).expect("the configuration can be written");
        let Setup { start, descriptors, environment, .. } = self;
        let told = HashMap::new();
        let mut connector = Connector { directory, start, descriptors, environment, process: None, told };
        connector.restart();
        connector
    }

    fn text(&self) -> String {
        let mut sections: Vec<(&str, Vec<(&str, &str)>)> =
            vec![("Server", vec![("Host", "127.0.0.1"), ("Port", "0")]), ("Service", vec![("ServicePort", "0")])];
        for (section, name, value) in &self.settings {
            match sections.iter_mut().find(|(given, _)| given.eq_ignore_ascii_case(section)) {
                Some((_, settings)) => settings.push((name, value)),
                None => sections.push((section, vec![(name, value)])),
            }
        }
        let mut text = String::new();
        for (section, settings) in sections {
            let _ = writeln!(text, "[{section}]");
            for (name, value) in settings {
                let _ = writeln!(text, "{name}={value}");
            }
        }
        let _ = writeln!(text, "[FetchTasks]\nNumber={}", self.tasks.len());
        for (number, task) in self.tasks.iter().enumerate() {
            let _ = writeln!(text, "{number}={}", task.name);
        }
        for task in &self.tasks {
            let _ = writeln!(text, "[{}]", task.name);
            for (name, value) in &task.settings {
                let _ = writeln!(text, "{name}={value}");
            }
        }
        text
    }
}

impl Connector {
    /// One with this task and defaults for the rest.
    pub fn with(task: FetchTask) -> Connector {
        Setup::new().task(task).start()
    }

    /// One without tasks.
    pub fn bare() -> Connector {
        Setup::new().start()
    }

    /// The folder of the configuration, below which everything is written.
    pub fn folder(&self) -> &Path {
        self.directory.path()
    }

    pub fn pid(&self) -> u32 {
        self.process().child.id()
    }

    /// The most memory that it has held since its start, in MB.
    pub fn peak_mb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it is running");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel tells the peak");
        line.trim_end_matches("kB").trim().parse::<u64>().expect("it is a number") / 1024
    }

    pub fn aci(&self) -> SocketAddr {
        self.process().aci
    }

    pub fn service_address(&self) -> SocketAddr {
        self.process().service
    }

    // Asking.

    /// `GET` with the request target exactly as given.
    pub fn get(&self, target: &str) -> Response {
        get(self.process().aci, target)
    }

    pub fn post(&self, target: &str, content_type: &str, body: &str) -> Response {
        let length = body.len();
        let request = format!(
            "POST {target} HTTP/1.1\r\nHost: connector\r\nConnection: close\r\nContent-Type: {content_type}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        Response::to(self.process().aci, request.as_bytes()).expect("the connector answers a POST")
    }

    /// The envelope of a success; panics on anything else. `query` begins after the slash: `action=...`.
    pub fn ok(&self, query: &str) -> Xml {
        success(query, &self.get(&format!("/{query}")))
    }

    /// The error that `query` is answered with; panics on anything else.
    pub fn error(&self, query: &str) -> AciError {
        AciError::of(&self.get(&format!("/{query}")).envelope())
    }

    /// As [`Connector::ok`], on the service port.
    pub fn service(&self, query: &str) -> Response {
        get(self.process().service, &format!("/{query}"))
    }

    /// Submits an asynchronous action and returns its token.
    pub fn submit(&self, query: &str) -> String {
        self.ok(query).text("token").to_owned()
    }

    /// Submits a synchronize of one task section.
    pub fn synchronize(&self, task: &str) -> String {
        self.submit(&format!("action=Fetch&FetchAction=Synchronize&TaskSections={task}"))
    }

    /// Synchronizes a task section to its end, which must be `Finished`; the action as `QueueInfo` tells it.
    pub fn run(&self, task: &str) -> Xml {
        let token = self.synchronize(task);
        assert_eq!(self.wait_until_done(&token), Status::Finished, "{:?}", self.action(&token));
        self.action(&token)
    }

    /// The query of a `QueueInfo` about one action.
    pub fn queue_info(queue_action: &str, token: &str) -> String {
        let token = encode(token);
        format!("action=QueueInfo&QueueName=Fetch&QueueAction={queue_action}&Token={token}")
    }

    /// The one `action` element of this token.
    pub fn action(&self, token: &str) -> Xml {
        let answer = self.ok(&Connector::queue_info("GetStatus", token));
        let [action] = answer.all("action")[1..] else { panic!("not one action for {token}: {answer:?}") };
        action.clone()
    }

    /// The tokens of the whole queue, in the order of the answer.
    pub fn queue(&self) -> Vec<String> {
        let answer = self.ok("action=QueueInfo&QueueName=Fetch&QueueAction=GetStatus");
        answer.all("token").into_iter().map(|token| token.text("token").to_owned()).collect()
    }

    /// Whether no action waits or runs.
    pub fn queue_ended(&self) -> bool {
        let all = self.ok("action=QueueInfo&QueueName=Fetch&QueueAction=GetStatus");
        all.all("status").iter().all(|status| Status::parse(status.own_text()).is_some_and(Status::is_end))
    }

    pub fn status(&self, token: &str) -> Status {
        let action = self.action(token);
        Status::parse(action.text("status")).unwrap_or_else(|| panic!("unknown status in {action:?}"))
    }

    pub fn wait_for_status(&self, token: &str, status: Status) {
        poll(&format!("{token} to be {status}"), || (self.status(token) == status).then_some(()));
    }

    /// Waits for the end of an action and returns which it was.
    pub fn wait_until_done(&self, token: &str) -> Status {
        poll(&format!("the end of {token}"), || Some(self.status(token)).filter(|status| status.is_end()))
    }

    // What it has written.

    /// Every change that the task has written, in order; none if it has written nothing.
    pub fn changes(&self, task: &str) -> Vec<Change> {
        let Some(path) = find(&self.folder().join("output"), &format!("{task}.jsonl")) else {
            return Vec::new();
        };
        let text = fs::read_to_string(&path).expect("what the connector wrote is UTF-8");
        text.lines().map(Change::parse).collect()
    }

    /// What the task has written since this was last called, as [`brief`] tells it.
    pub fn new_changes(&mut self, task: &str) -> Vec<String> {
        let changes = self.changes(task);
        let told = self.told.insert(task.to_owned(), changes.len()).unwrap_or(0);
        brief(&changes[told..])
    }

    /// The text of a log stream.
    pub fn log(&self, stream: &str) -> String {
        let path = self.folder().join("logs").join(format!("{stream}.log"));
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    // Its life.

    /// Ends it at once, as a power cut would end the process.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.child.kill();
            process.end();
        }
    }

    /// Sends a signal by its name, such as `TERM`, and waits for the exit.
    pub fn end_by_signal(&mut self, name: &str) -> ExitStatus {
        let process = self.process.take().expect("it is running");
        signal(process.child.id(), name);
        process.end()
    }

    pub fn terminate(&mut self) -> ExitStatus {
        self.end_by_signal("TERM")
    }

    /// Waits for an exit that something else has caused.
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        self.process.take().expect("it was running").end()
    }

    /// Starts it again in the same directory, after a kill or an exit.
    pub fn restart(&mut self) {
        assert!(self.process.is_none(), "it is still running");
        let mut command = match self.descriptors {
            None => Command::new(binary()),
            Some(count) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("ulimit -n {count} && exec \"$0\" \"$@\"")]).arg(binary());
                shell
            }
        };
        if let Start::Named = self.start {
            command.arg("--config").arg(self.folder().join("webconnector.cfg"));
        }
        // Proxies of the machine must not decide about a test.
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(name).env_remove(name.to_ascii_uppercase());
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        self.process = Some(Process::start(command, self.folder()));
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("the connector is running")
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Process {
    fn start(mut command: Command, folder: &Path) -> Process {
        let errors = File::create(folder.join("stderr")).expect("a file can be made");
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().expect("the binary can be started");
        let output = child.stdout.take().expect("standard output is piped");
        let (send, lines) = mpsc::channel();
        let reader = thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Only the first is waited for; the others are read so that the pipe never fills.
                let _ = send.send(line);
            }
        });
        let first = lines.recv_timeout(DEADLINE);
        let addresses = first.as_deref().ok().and_then(addresses);
        let Some((aci, service)) = addresses else {
            let _ = child.kill();
            let status = child.wait();
            let errors = fs::read_to_string(folder.join("stderr")).unwrap_or_default();
            panic!("no start line but {first:?}; {status:?}; standard error: {errors}");
        };
        Process { child, aci, service, reader: Some(reader) }
    }

    fn end(mut self) -> ExitStatus {
        let status = poll("the connector's exit", || self.child.try_wait().expect("a child can be waited for"));
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        status
    }
}

/// A file by its name in any case: how a task's name is folded is for other tests to say.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    entries
        .map(|entry| entry.path())
        .find(|path| path.file_name().is_some_and(|given| given.to_string_lossy().eq_ignore_ascii_case(name)))
}

/// Reads `webconnector VERSION aci=HOST:PORT service=HOST:PORT`.
fn addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let rest = line.strip_prefix(concat!("webconnector ", env!("CARGO_PKG_VERSION"), " aci="))?;
    let (aci, service) = rest.split_once(" service=")?;
    Some((aci.parse().ok()?, service.trim_end().parse().ok()?))
}

fn get(address: SocketAddr, target: &str) -> Response {
    let request = format!("GET {target} HTTP/1.1\r\nHost: connector\r\nConnection: close\r\n\r\n");
    Response::to(address, request.as_bytes()).expect("the connector answers a GET")
}

fn success(query: &str, response: &Response) -> Xml {
    let envelope = response.envelope();
    assert_eq!(envelope.text("response"), "SUCCESS", "{query}: {response:?}");
    envelope
}

/// The binary as a person would run it in some folder, its output kept. Killed when dropped.
pub struct Running {
    child: Child,
    /// Holds what it prints: files, so that it never waits for a reader.
    files: TempDir,
    what: String,
}

/// Starts the binary in `folder`.
pub fn spawn(folder: &Path, arguments: &[&str]) -> Running {
    let files = TempDir::new().expect("a temporary directory can be made");
    let create = |name: &str| File::create(files.path().join(name)).expect("a file can be made");
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(create("out")).stderr(create("err"));
    let child = command.spawn().expect("the binary can be started");
    Running { child, files, what: format!("webconnector {}", arguments.join(" ")) }
}

/// Runs the binary in `folder` to its end. Panics if it does not end.
pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    spawn(folder, arguments).wait()
}

impl Running {
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    pub fn wait(mut self) -> Output {
        let status = poll(&self.what, || self.child.try_wait().expect("a child can be waited for"));
        let read = |name: &str| fs::read(self.files.path().join(name)).expect("a file just written can be read");
        Output { status, stdout: read("out"), stderr: read("err") }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended, or a test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(pid: u32, name: &str) {
    // The shell's own kill: a small machine has no other.
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status();
    assert!(sent.is_ok_and(|status| status.success()), "kill -{name} {pid} cannot be sent");
}

/// `text` as it stands in the value of a request parameter.
pub fn encode(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}
