use super::*;
use std::fs;
use tempfile::TempDir;

fn parse(line: &str) -> Result<Command, String> {
    Command::parse(line.split_whitespace()).map_err(|error| error.to_string())
}

fn serve(config: Option<&str>) -> Command {
    Command::Serve { config: config.map(PathBuf::from) }
}

#[test]
fn each_command_is_read() {
    let fetch = |depth, output: &str, format| {
        Command::Fetch(Fetch { url: "https://h/".into(), depth, output: output.into(), format })
    };
    let cases = [
        ("", serve(None)),
        ("--config a.cfg", serve(Some("a.cfg"))),
        ("--config=a.cfg", serve(Some("a.cfg"))),
        ("-c a.cfg", serve(Some("a.cfg"))),
        ("--config a.cfg --config b.cfg", serve(Some("b.cfg"))),
        ("fetch https://h/", fetch(None, "output", Format::Jsonl)),
        ("fetch https://h/ --depth 2", fetch(Some(2), "output", Format::Jsonl)),
        ("fetch --depth -1 https://h/", fetch(None, "output", Format::Jsonl)),
        ("--depth=0 fetch https://h/ -o out --format IDX", fetch(Some(0), "out", Format::Idx)),
        ("fetch -- https://h/", fetch(None, "output", Format::Jsonl)),
        ("check-config", Command::CheckConfig { config: None }),
        ("check-config a.cfg", Command::CheckConfig { config: Some("a.cfg".into()) }),
        ("check-config -h", Command::Help(Topic::CheckConfig)),
        ("--help", Command::Help(Topic::Program)),
        ("-h", Command::Help(Topic::Program)),
        ("fetch --help", Command::Help(Topic::Fetch)),
        ("fetch https://h/ -h --frobnicate", Command::Help(Topic::Fetch)),
        ("--version", Command::Version),
        ("-V", Command::Version),
    ];
    for (line, command) in cases {
        assert_eq!(parse(line), Ok(command), "{line}");
    }
}

#[test]
fn a_mistake_is_named_with_what_would_be_right() {
    let cases = [
        ("--confg a.cfg", "there is no option --confg; is --config meant?"),
        ("--frobnicate", "there is no option --frobnicate"),
        ("-x", "there is no option -x"),
        ("fech https://h/", "there is no command fech; is fetch meant?"),
        ("start", "there is no command start"),
        ("chekc-config", "there is no command chekc-config; is check-config meant?"),
        ("check-config a b", "b is one too many: one file is all that is expected"),
        ("check-config --depth 3", "--depth belongs to webconnector fetch URL"),
        ("check-config --config a", "--config belongs to the server: webconnector --config FILE"),
        ("--config", "--config needs a value: --config FILE"),
        ("--config=", "--config needs a value: --config FILE"),
        ("fetch", "fetch needs the URL to start at: webconnector fetch https://example.com/"),
        ("fetch a b", "b is one too many: one URL is all that is expected"),
        ("fetch a --depth deep", "--depth is \"deep\"; expected is a whole number from 0, or -1 for no limit"),
        ("fetch a --depth -2", "--depth is \"-2\"; expected is a whole number from 0, or -1 for no limit"),
        ("fetch a --format sql", "--format is \"sql\"; expected is jsonl, idx, xml or csv"),
        ("fetch a --config b", "--config belongs to the server: webconnector --config FILE"),
        ("--depth 3", "--depth belongs to webconnector fetch URL"),
    ];
    for (line, message) in cases {
        assert_eq!(parse(line), Err(message.to_owned()), "{line}");
    }
    let not_unicode = {
        use std::os::unix::ffi::OsStringExt as _;
        OsString::from_vec(b"--\xFF".to_vec())
    };
    assert!(Command::parse([not_unicode]).is_err());
}

#[test]
fn the_configuration_beside_the_program_comes_before_the_one_here() -> std::io::Result<()> {
    let (program, here) = (TempDir::new()?, TempDir::new()?);
    let find = |asked_for| find_config(asked_for, Some(program.path()), here.path());
    assert_eq!(find(None), None);
    fs::write(here.path().join(CONFIG_NAME), "")?;
    assert_eq!(find(None), Some(here.path().join(CONFIG_NAME)));
    fs::write(program.path().join(CONFIG_NAME), "")?;
    assert_eq!(find(None), Some(program.path().join(CONFIG_NAME)));
    assert_eq!(find(Some(Path::new("gone.cfg"))), Some("gone.cfg".into()));
    Ok(())
}

#[test]
fn help_names_every_option_and_every_exit_code() {
    for option in &OPTIONS {
        for topic in [Topic::Program, Topic::Fetch, Topic::CheckConfig] {
            if option.owner.is_none_or(|owner| owner == topic) {
                let usage = option.value.map_or(option.name.to_owned(), |value| format!("{} {value}", option.name));
                assert!(topic.text().contains(&usage), "{usage}");
            }
        }
    }
    for topic in [Topic::Program, Topic::Fetch, Topic::CheckConfig] {
        assert!(topic.text().lines().all(|line| line.chars().count() <= 80), "a terminal has 80 columns");
    }
    let exits = [
        (Topic::Program, &[Exit::Ok, Exit::Failed, Exit::Usage, Exit::Configuration][..]),
        (Topic::Fetch, &[Exit::Ok, Exit::Failed, Exit::Usage]),
        (Topic::CheckConfig, &[Exit::Ok, Exit::Usage, Exit::Configuration]),
    ];
    for (topic, exits) in exits {
        for exit in exits {
            assert!(topic.text().contains(&format!("\n  {}  ", *exit as u8)));
        }
    }
}
