//! A name server that a test speaks for, and a network on which every address is this host: see `names.c`.

use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

pub struct NameServer(TempDir);

impl NameServer {
    /// Each line of the table is `name answer`.
    pub fn new(table: &str) -> NameServer {
        let folder = TempDir::new().expect("a temporary directory can be made");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/common/names.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(folder.path().join("names.so"));
        let outcome = compiler.arg(source).args(["-ldl"]).status();
        assert!(outcome.is_ok_and(|status| status.success()), "cc cannot make the library");
        fs::write(folder.path().join("log"), "").expect("a file can be written");
        let names = NameServer(folder);
        names.answer(table);
        names
    }

    /// Answers by this table from now on.
    pub fn answer(&self, table: &str) {
        fs::write(self.0.path().join("table"), table).expect("a file can be written");
    }

    /// What has the connector ask it. A binary that is linked statically asks nobody but itself: these tests have to fail then.
    pub fn environment(&self) -> [(&'static str, String); 3] {
        let path = |name: &str| self.0.path().join(name).to_string_lossy().into_owned();
        [("LD_PRELOAD", path("names.so")), ("NAMES_TABLE", path("table")), ("NAMES_LOG", path("log"))]
    }

    /// The names that were looked up and the addresses that were connected to since this was last called, in order.
    pub fn noted(&self) -> Vec<String> {
        let path = self.0.path().join("log");
        let text = fs::read_to_string(&path).expect("the log can be read");
        fs::write(&path, "").expect("a file can be written");
        text.lines().map(str::to_owned).collect()
    }

    /// The names that were looked up since [`NameServer::noted`].
    pub fn asked_for(&self) -> Vec<String> {
        let text = fs::read_to_string(self.0.path().join("log")).expect("the log can be read");
        text.lines().filter_map(|line| line.strip_prefix("lookup ")).map(str::to_owned).collect()
    }
}
