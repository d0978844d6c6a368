use super::*;
use proptest::prelude::*;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Files by name in a fresh folder; the first is the main one.
fn folder(files: &[(&str, &str)]) -> Result<(TempDir, PathBuf)> {
    let folder = TempDir::new()?;
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder.path()))?;
        fs::write(path, text)?;
    }
    let main = folder.path().join(files[0].0);
    Ok((folder, main))
}

/// `Section.Name=Value` of every entry, in order.
fn entries(ini: &Ini) -> Vec<String> {
    let of_section = |section: &Section| {
        let name = section.name().to_owned();
        section.entries().map(|entry| format!("{name}.{}={}", entry.name, entry.value)).collect::<Vec<_>>()
    };
    ini.sections().flat_map(of_section).collect()
}

/// What reading the files gives: entries, or the error's text with the folder taken out.
fn read(files: &[(&str, &str)]) -> Result<std::result::Result<Vec<String>, String>> {
    let (folder, main) = folder(files)?;
    let here = format!("{}/", folder.path().display());
    Ok(Ini::read(&main).map(|ini| entries(&ini)).map_err(|error| error.to_string().replace(&here, "")))
}

#[test]
fn sections_and_values_are_found_in_any_case_with_their_lines() -> Result {
    let text = "\u{feff}// start\r\n[Server]\r\nPort=7006\r\n\r\n[fetchTasks]\r\n0=Docs\r\n[SERVER]\r\nThreads = 4\r\n";
    let ini = Ini::parse(text, "a.cfg")?;
    assert_eq!(entries(&ini), ["Server.Port=7006", "Server.Threads=4", "fetchTasks.0=Docs"]);
    let threads = ini.section("server").and_then(|section| section.get("THREADS"));
    assert_eq!(threads.map(|entry| entry.origin.to_string()), Some("a.cfg:8".to_owned()));
    assert!(ini.section("Docs").is_none());
    assert_eq!(ini.warnings(), []);
    Ok(())
}

#[test]
fn numbered_entries_are_in_the_order_of_their_numbers() -> Result {
    let ini = Ini::parse("[T]\nUrl10=k\nurl2=c\nUrl=x\nUrl0=a\nUrlX=no\nUrl-1=no\n1=y\n0=x\n99999999999=no", "t")?;
    let section = ini.section("T").ok_or("no section")?;
    let found = |name| section.numbered(name).iter().map(|(n, entry)| (*n, entry.value.clone())).collect::<Vec<_>>();
    assert_eq!(found("URL"), [(0, "a".to_owned()), (2, "c".to_owned()), (10, "k".to_owned())]);
    assert_eq!(found(""), [(0, "x".to_owned()), (1, "y".to_owned())]);
    Ok(())
}

#[test]
fn what_is_doubtful_is_a_warning_and_changes_nothing() -> Result {
    let ini = Ini::parse("# old\n[Docs]\nDepth=1\n;Depth=2\nDEPTH=3\n", "a.cfg")?;
    assert_eq!(entries(&ini), ["Docs.DEPTH=3"]);
    let warnings: Vec<String> = ini.warnings().iter().map(Warning::to_string).collect();
    assert_eq!(
        warnings,
        [
            "a.cfg:1: taken for a comment; the comments of this file start with //",
            "a.cfg:4: taken for a comment; the comments of this file start with //",
            "a.cfg:5: [Docs] DEPTH was set before (a.cfg:3); the later value counts",
        ]
    );
    let many = Ini::parse(&"#\n".repeat(10_000), "a.cfg")?;
    assert_eq!(many.warnings().len(), WARNINGS_MAX);
    Ok(())
}

#[test]
fn files_sections_and_parameters_are_included() -> Result {
    let shared = ("shared.cfg", "[A]\nx=1\ny=2\nxy=3\n[B]\nz=4\n");
    let cases: [(&str, &[&str]); 9] = [
        ("< \"shared.cfg\"", &["A.x=1", "A.y=2", "A.xy=3", "B.z=4"]),
        ("< \"shared.cfg\" [b]", &["B.z=4"]),
        ("[B]\nz=0\nw=1\n< \"shared.cfg\" [B]\n[C]\nv=5", &["B.z=4", "B.w=1", "C.v=5"]),
        ("[Mine] < \"shared.cfg\" [A]\ny=9", &["Mine.x=1", "Mine.y=9", "Mine.xy=3"]),
        ("[Mine]\n< \"shared.cfg\" [A] Y\nw=1", &["Mine.y=2", "Mine.w=1"]),
        (
            "[Mine]\n< \"shared.cfg\" [A] y=7\n< \"shared.cfg\" [A] q = 8\n< \"shared.cfg\" [No] r=",
            &["Mine.y=2", "Mine.q=8", "Mine.r="],
        ),
        ("[Mine]\n< \"shared.cfg\" [A] X*", &["Mine.x=1", "Mine.xy=3"]),
        ("[Mine]\n< \"shared.cfg\" [A] ?", &["Mine.x=1", "Mine.y=2"]),
        ("[Mine]\n< \"shared.cfg\" [A] q*", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(
            read(&[("main.cfg", text), shared])?,
            Ok(expected.iter().map(ToString::to_string).collect()),
            "{text}"
        );
    }
    Ok(())
}

#[test]
fn includes_nest_and_count_from_the_folder_of_the_main_file() -> Result {
    let files = [
        ("main.cfg", "< \"parts/one.cfg\"\n[Main]\na=1"),
        ("parts/one.cfg", "[One] < \"parts/two.cfg\" [Two]\nb=2"),
        ("parts/two.cfg", "[Two]\nc=3\n< \"parts/three.cfg\""),
        // Goes on with the section that it is included in.
        ("parts/three.cfg", "d=4"),
    ];
    let expected = ["One.c=3", "One.d=4", "One.b=2", "Main.a=1"].map(str::to_owned);
    assert_eq!(read(&files)?, Ok(expected.to_vec()));

    let (_folder, main) = folder(&files)?;
    let ini = Ini::read(&main)?;
    let included = ini.section("One").and_then(|section| section.get("d")).ok_or("no value")?;
    assert!(included.origin.to_string().ends_with("parts/three.cfg:1"), "{}", included.origin);
    Ok(())
}

#[test]
fn a_value_that_an_include_has_moved_to_another_section_is_a_warning() -> Result {
    let files = [("main.cfg", "[Docs]\n< \"b.cfg\"\nDepth=3\nMaxPages=4"), ("b.cfg", "[License]\nHost=x")];
    let (_folder, main) = folder(&files)?;
    let ini = Ini::read(&main)?;
    assert_eq!(entries(&ini), ["License.Host=x", "License.Depth=3", "License.MaxPages=4"]);
    let warnings: Vec<&str> = ini.warnings().iter().map(|warning| warning.text.as_str()).collect();
    assert_eq!(
        warnings,
        ["Depth belongs to [License], the section that the include above ended with; give it a heading"]
    );
    Ok(())
}

#[test]
fn what_cannot_be_read_names_its_line() -> Result {
    let a = |text| ("a.cfg", text);
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[a("Port=1")], "a.cfg:1: Port stands before the first section heading; a [Section] is expected above it"),
        (&[a("[S]\n\nPort")], "a.cfg:3: Name=Value, [Section], an include or a // comment is expected here"),
        (&[a("< \"a.cfg\"")], "a.cfg:1: a.cfg includes itself, directly or through others"),
        (
            &[a("// x\n< \"b.cfg\""), ("b.cfg", "[S] < \"./a.cfg\" [S]")],
            "b.cfg:1: ./a.cfg includes itself, directly or through others",
        ),
        (&[a("< \"b.cfg\" [T]"), ("b.cfg", "[S]")], "a.cfg:1: b.cfg has no section [T]"),
        (
            &[a("[S]\n< \"b.cfg\" [S] P"), ("b.cfg", "[S]")],
            "a.cfg:2: [S] of b.cfg has no P; add it there, or a default here: P=Default",
        ),
        (
            &[a("< \"no.cfg\"")],
            "a.cfg:1: the included file no.cfg cannot be read: No such file or directory (os error 2)",
        ),
        (&[a("< \"d\""), ("d/x", "")], "a.cfg:1: the included file d cannot be read: it is no regular file"),
    ];
    for (files, expected) in cases {
        assert_eq!(read(files)?, Err((*expected).to_owned()));
    }
    Ok(())
}

#[test]
fn every_limit_holds() -> Result {
    let nested = |depth: usize| {
        let name = |n: usize| format!("{n}.cfg");
        let texts: Vec<_> = (0..depth).map(|n| (name(n), format!("< \"{}\"", name(n + 1)))).collect();
        let mut files: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let last = name(depth);
        files.push((&last, "[S]\nx=1"));
        read(&files)
    };
    assert_eq!(nested(INCLUDE_DEPTH_MAX)?, Ok(vec!["S.x=1".to_owned()]));
    assert_eq!(nested(INCLUDE_DEPTH_MAX + 1)?, Err("16.cfg:1: includes may nest 16 deep and no deeper".to_owned()));

    // Eleven files that include the next one twice are 2047 readings.
    let names: Vec<String> = (0..=11).map(|n| format!("{n}.cfg")).collect();
    let texts: Vec<String> = (1..=11).map(|n| format!("< \"{n}.cfg\"\n< \"{n}.cfg\"\n")).collect();
    let mut files: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
    files.push((&names[11], "// end"));
    assert!(read(&files)?.is_err_and(|error| error.contains("more than 1000 files")));

    let many = |count: usize| (0..count).map(|n| format!("{n}=\n")).collect::<Vec<_>>().concat();
    assert!(Ini::parse(&format!("[S]\n{}", many(ITEMS_MAX - 1)), "t").is_ok());
    assert!(matches!(Ini::parse(&format!("[S]\n{}", many(ITEMS_MAX)), "t"), Err(IniError::TooMany { .. })));
    let huge = vec![b'/'; usize::try_from(FILE_BYTES_MAX)? + 1];
    let (_folder, main) = folder(&[("a.cfg", "")])?;
    fs::write(&main, &huge)?;
    assert!(matches!(Ini::read(&main), Err(IniError::TooLarge { .. })));
    Ok(())
}

#[test]
fn a_text_that_is_not_utf8_names_its_line() -> Result {
    let (_folder, main) = folder(&[("a.cfg", "")])?;
    fs::write(&main, b"[S]\nx=1\ny=\xE9\n")?;
    let error = Ini::read(&main).map(|_| ()).map_err(|error| error.to_string());
    assert!(error.is_err_and(|error| error.ends_with("a.cfg:3: the text is not UTF-8; save the file as UTF-8")));
    Ok(())
}

#[test]
fn a_text_sent_with_an_action_reads_no_file() {
    for text in ["< \"/etc/passwd\"", "[S] < \"/etc/passwd\" [S]", "[S]\n< \"/etc/passwd\" [S] P=1"] {
        assert!(matches!(Ini::parse(text, "Config"), Err(IniError::IncludeRefused { .. })), "{text}");
    }
}

#[test]
fn overrides_are_of_a_section_or_of_none() -> Result {
    let ini = Ini::overrides([("Depth", "1"), ("[Docs]Depth", " 2 "), ("depth", "3"), ("[ docs ] MaxPages", "4")])?;
    assert_eq!(entries(&ini), [".depth=3", "Docs.Depth=2", "Docs.MaxPages=4"]);
    assert!(Ini::overrides([("[Docs", "1")]).is_err());
    Ok(())
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(\\[|\\]|<|\"|=|//|#|\r|\n|[a-c0-2 ]|\\PC){0,200}") {
        if let Ok(ini) = Ini::parse(&text, "t") {
            for section in ini.sections() {
                for entry in section.entries() {
                    // What was read is what a lookup finds.
                    prop_assert_eq!(ini.section(section.name()).and_then(|found| found.get(&entry.name)), Some(entry));
                }
            }
        }
    }

    #[test]
    fn any_bytes_in_a_file_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let file = tempfile::NamedTempFile::new()?;
        fs::write(file.path(), &bytes)?;
        // Either way, without a panic.
        prop_assert_eq!(Ini::read(file.path()).is_ok_and(|_| std::str::from_utf8(&bytes).is_err()), false);
    }

    #[test]
    fn a_written_value_is_read_back(name in "[A-Za-z][A-Za-z0-9]{0,20}", value in "[!-~&&[^\\s]][ -~]{0,80}") {
        let ini = Ini::parse(&format!("[S]\r\n{name}={value}\r\n"), "t").map_err(|error| TestCaseError::fail(error.to_string()))?;
        let entry = ini.section("s").and_then(|section| section.get(&name));
        prop_assert_eq!(entry.map(|entry| entry.value.as_str()), Some(value.trim()));
    }
}
