use super::*;
use std::sync::Arc;
use tempfile::TempDir;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A stderr that can be read back.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Screen {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock()).into_owned()
    }
}

fn stream(folder: &TempDir, name: &str, types: &[&'static str]) -> Stream {
    let path = folder.path().join("logs").join(format!("{name}.log"));
    let archive = folder.path().join("archive");
    let file = File { path, bytes_max: 1 << 20, expire: Expire::Previous, archive, archived_max: 1 };
    Stream { name: name.to_owned(), types: types.to_vec(), level: Level::Normal, echo: false, file }
}

fn settings(folder: &TempDir) -> Settings {
    let streams = ["application", "action", "synchronize"].map(|kind| stream(folder, kind, &[kind]));
    Settings { streams: streams.to_vec(), stderr: None }
}

fn log(sink: &Sink, target: &str, level: log::Level, message: &str) {
    sink.log(&Record::builder().target(target).level(level).args(format_args!("{message}")).build());
}

/// The lines of a stream without their dates, which are checked to be dates.
fn lines(folder: &TempDir, name: &str) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string(folder.path().join("logs").join(name))?;
    let cut = |line: &str| {
        let (date, rest) = line.split_at_checked(20)?;
        let form: String = date.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
        (form == "99/99/9999 99:99:99 ").then(|| rest.to_owned())
    };
    text.lines().map(|line| cut(line).ok_or_else(|| format!("no date: {line}").into())).collect()
}

#[test]
fn a_record_is_a_line_in_the_file_of_its_stream() -> Outcome {
    let folder = TempDir::new()?;
    let sink = Sink::new(&settings(&folder), None, Box::new(io::sink()));
    thread::scope(|scope| {
        let body = || {
            log(&sink, "synchronize", log::Level::Info, "docs: visit https://h/ü");
            log(&sink, "action", log::Level::Error, "[T] Failed: no");
            log(&sink, "webconnector::server", log::Level::Warn, "low on memory");
            sink.write("synchronize", Level::Always, format_args!("Finished"));
        };
        thread::Builder::new().name("fetch-1".into()).spawn_scoped(scope, body).map(|_| ())
    })?;
    assert_eq!(
        lines(&folder, "synchronize.log")?,
        ["[fetch-1] 30-Normal: docs: visit https://h/ü", "[fetch-1] 00-Always: Finished"]
    );
    assert_eq!(lines(&folder, "action.log")?, ["[fetch-1] 70-Error: [T] Failed: no"]);
    assert_eq!(lines(&folder, "application.log")?, ["[fetch-1] 60-Warning: low on memory"]);
    Ok(())
}

#[test]
fn the_level_and_the_source_decide_what_is_logged() {
    let seen = |level, target, record| {
        let screen = Screen::default();
        log(&Sink::new(&Settings::stderr_only(level), None, Box::new(screen.clone())), target, record, "x");
        !screen.text().is_empty()
    };
    assert!(seen(Level::Normal, "action", log::Level::Info));
    assert!(!seen(Level::Normal, "action", log::Level::Debug));
    assert!(seen(Level::Debug, "action", log::Level::Trace));
    assert!(!seen(Level::Always, "action", log::Level::Error));
    assert!(seen(Level::Debug, "webconnector::crawl", log::Level::Debug));
    assert!(!seen(Level::Debug, "ureq::run", log::Level::Debug));
    assert!(seen(Level::Debug, "ureq::run", log::Level::Warn));
}

#[test]
fn a_stream_takes_its_types_at_its_level_and_a_record_may_have_two_streams() -> Outcome {
    let folder = TempDir::new()?;
    let mut everything = stream(&folder, "everything", &["application", "action"]);
    everything.level = Level::Full;
    let mut errors = stream(&folder, "errors", &["action"]);
    (errors.level, errors.echo) = (Level::Error, true);
    let screen = Screen::default();
    let settings = Settings { streams: vec![everything, errors], stderr: None };
    let sink = Sink::new(&settings, None, Box::new(screen.clone()));
    assert_eq!(sink.level(), Level::Full);
    thread::scope(|scope| {
        let body = || {
            log(&sink, "action", log::Level::Debug, "detail");
            log(&sink, "action", log::Level::Error, "failure");
            log(&sink, "synchronize", log::Level::Error, "nobody takes this");
        };
        thread::Builder::new().name("t".into()).spawn_scoped(scope, body).map(|_| ())
    })?;
    assert_eq!(lines(&folder, "everything.log")?, ["[t] 20-Full: detail", "[t] 70-Error: failure"]);
    assert_eq!(lines(&folder, "errors.log")?, ["[t] 70-Error: failure"]);
    assert!(screen.text().ends_with("70-Error: failure\n") && screen.text().lines().count() == 1);
    Ok(())
}

#[test]
fn no_message_looks_like_another_line_or_has_no_end() {
    let print = |message: &str| {
        let text = line(Moment::from_epoch_ms(0), "main", Level::Normal, format_args!("{message}"));
        text.split_once("Normal: ").map_or(String::new(), |(_, text)| text.to_owned())
    };
    assert_eq!(
        print("a\r\nb\tc\u{1b}[2Jd\u{85}e\u{2028}f\u{202e}g"),
        "a\\r\\nb\\tc\\u{1b}[2Jd\\u{85}e\\u{2028}f\\u{202e}g\n"
    );
    assert_eq!(print("Zoë's \"x\" \\ 日本"), "Zoë's \"x\" \\ 日本\n");
    let cut = print(&"é".repeat(1 << 20));
    assert_eq!(cut.len(), MESSAGE_BYTES_MAX + " ...\n".len());
    assert!(cut.ends_with("é ...\n"));
}

#[test]
fn a_log_that_cannot_be_written_says_so_once_and_the_server_goes_on() -> Outcome {
    let folder = TempDir::new()?;
    std::fs::write(folder.path().join("logs"), "a file where the folder should be")?;
    let screen = Screen::default();
    let sink = Sink::new(&settings(&folder), None, Box::new(screen.clone()));
    for _ in 0..3 {
        log(&sink, "action", log::Level::Info, "x");
    }
    let text = screen.text();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("action.log cannot be written"), "{text}");
    Ok(())
}

#[test]
fn levels_are_read_in_any_case() {
    for level in Level::ALL {
        assert_eq!(Level::from_param(&level.as_str().to_uppercase()), Some(level));
    }
    assert_eq!(Level::from_param("loud"), None);
}
