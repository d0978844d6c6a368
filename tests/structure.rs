//! The arrows between the modules, read from their imports: siblings never know each other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What every module may use: values and tools that know no subsystem.
const BASE: [&str; 11] =
    ["action", "client", "log", "pause", "roles", "sqlite", "stop", "time", "tls", "url", "wildcard"];

/// What a module may use beside itself and the base. Modules that are not named here may use nothing else.
const ARROWS: [(&str, &[&str]); 5] = [
    ("main", &["cli", "server"]),
    ("cli", &["server", "aci", "queue", "fetchaction", "config", "crawl", "ingest"]),
    ("server", &["aci", "queue", "fetchaction", "config", "crawl", "ingest"]),
    ("fetchaction", &["crawl", "ingest", "config"]),
    ("lib", &[]),
];

#[test]
fn no_module_imports_what_it_must_not_know() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for path in rust_files(&source) {
        let text = fs::read_to_string(&path).expect("source is UTF-8");
        let module = module_of(&source, &path);
        for imported in imports(&text) {
            if !may_import(&module, &imported) {
                wrong.push(format!("{} imports {imported}", path.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_rules_tell_right_from_wrong() {
    for (module, imported, may) in [
        ("aci", "action", true),
        ("aci", "aci", true),
        ("aci", "queue", false),
        ("queue", "fetchaction", false),
        ("crawl", "config", false),
        ("fetchaction", "crawl", true),
        ("fetchaction", "server", false),
        ("server", "queue", true),
        ("action", "time", true),
        ("time", "queue", false),
    ] {
        assert_eq!(may_import(module, imported), may, "{module} imports {imported}");
    }
    let text = "use crate::{aci::Request, queue};\nfn f() { crate::stop::StopFlag::new(); }\n// crate::server\n";
    assert_eq!(imports(text).into_iter().collect::<Vec<_>>(), ["aci", "queue", "stop"]);
}

#[test]
fn the_top_level_holds_what_it_should_and_nothing_else() {
    let allowed =
        ["Cargo.toml", "Cargo.lock", "src", "tests", "scripts", "README.md", "LICENSE", "CHANGELOG.md", "target"];
    let top = fs::read_dir(env!("CARGO_MANIFEST_DIR")).expect("the package's folder can be read");
    for entry in top.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(name.starts_with('.') || allowed.contains(&name.as_str()), "{name}");
    }
}

fn may_import(module: &str, imported: &str) -> bool {
    let arrows = ARROWS.iter().find(|(from, _)| *from == module).map_or(&[][..], |(_, to)| to);
    module == imported || BASE.contains(&imported) || arrows.contains(&imported)
}

/// The first word below `src` of each path that begins with `crate::`, outside comments.
fn imports(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    for (at, _) in code.match_indices("crate::") {
        let path = &code[at + "crate::".len()..];
        match path.strip_prefix('{') {
            Some(group) => found.extend(group_heads(group)),
            None => found.extend(head(path)),
        }
    }
    found
}

/// The first word of each member of `{a::B, c::{D, E}, f}`, given what follows the opening brace.
fn group_heads(group: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let mut depth = 0;
    let mut member_start = 0;
    for (at, each) in group.char_indices() {
        match each {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                heads.extend(head(group[member_start..at].trim()));
                member_start = at + 1;
                if each == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    heads
}

/// A module's name; what begins with a capital is an item of the crate's root.
fn head(path: &str) -> Option<String> {
    let word: String = path.chars().take_while(|each| each.is_ascii_alphanumeric() || *each == '_').collect();
    word.starts_with(|first: char| first.is_ascii_lowercase()).then_some(word)
}

/// The module below `src` that a file belongs to.
fn module_of(source: &Path, path: &Path) -> String {
    let below = path.strip_prefix(source).expect("the file was found below src");
    let first = below.iter().next().expect("a file has a name").to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in fs::read_dir(folder).expect("src can be read").flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
