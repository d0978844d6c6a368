//! One line of a configuration file, by the grammar of aci.md 6.1. Pure: opens no file and knows no parameter.

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Blank,
    /// `// text`. Only at the start of a line: values are full of URLs.
    Comment,
    /// `# text` or `; text`, which administrators write although the reference does not know them.
    ForeignComment,
    /// `[Section]`, or `[Section] < "file" [Shared]`.
    Heading {
        name: &'a str,
        merge: Option<Include<'a>>,
    },
    /// `< "file"` and its longer forms.
    Include(Include<'a>),
    Parameter {
        name: &'a str,
        value: &'a str,
    },
}

/// `< "file" [Section] Parameter=Default`; each part from the second on may be missing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Include<'a> {
    pub(super) file: &'a str,
    pub(super) part: Part<'a>,
}

/// How much of a file is included.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    Whole,
    Section(&'a str),
    /// `parameter` may have the wildcards `*` and `?`.
    Parameter {
        section: &'a str,
        parameter: &'a str,
        default: Option<&'a str>,
    },
}

impl Line<'_> {
    /// Reads a line without its end. `Err` says what is wrong and what would be right.
    pub(super) fn parse(text: &str) -> Result<Line<'_>, &'static str> {
        let text = text.trim();
        match text.as_bytes().first() {
            None => Ok(Line::Blank),
            Some(b'/') if text.starts_with("//") => Ok(Line::Comment),
            Some(b'#' | b';') => Ok(Line::ForeignComment),
            Some(b'[') => heading(text),
            Some(b'<') => Ok(Line::Include(include(text)?)),
            Some(_) => parameter(text),
        }
    }
}

fn heading(text: &str) -> Result<Line<'_>, &'static str> {
    let (name, rest) = bracketed(text)?;
    if rest.is_empty() {
        return Ok(Line::Heading { name, merge: None });
    }
    if !rest.starts_with('<') {
        return Err("there is text after the section heading; a comment has a line of its own");
    }
    let merge = include(rest)?;
    if !matches!(merge.part, Part::Section(_)) {
        return Err("a section is merged from a section: [Section] < \"file\" [OtherSection] is expected");
    }
    Ok(Line::Heading { name, merge: Some(merge) })
}

fn include(text: &str) -> Result<Include<'_>, &'static str> {
    const FORM: &str = "an include has the form < \"file\", < \"file\" [Section] or < \"file\" [Section] Parameter";
    let quoted = text.trim_start_matches('<').trim_start().strip_prefix('"').ok_or(FORM)?;
    let (file, rest) = quoted.split_once('"').ok_or(FORM)?;
    if file.trim().is_empty() {
        return Err("the include names no file");
    }
    let rest = rest.trim();
    if rest.is_empty() {
        return Ok(Include { file, part: Part::Whole });
    }
    if !rest.starts_with('[') {
        return Err(FORM);
    }
    let (section, rest) = bracketed(rest)?;
    if rest.is_empty() {
        return Ok(Include { file, part: Part::Section(section) });
    }
    let (parameter, default) = match rest.split_once('=') {
        Some((parameter, default)) => (parameter.trim(), Some(default.trim())),
        None => (rest, None),
    };
    if parameter.is_empty() {
        return Err("the include has a default and no parameter");
    }
    if default.is_some() && parameter.contains(['*', '?']) {
        return Err("a pattern stands for any number of parameters and can have no default");
    }
    Ok(Include { file, part: Part::Parameter { section, parameter, default } })
}

/// Splits `[name] rest`.
fn bracketed(text: &str) -> Result<(&str, &str), &'static str> {
    let (name, rest) = text
        .strip_prefix('[')
        .and_then(|inner| inner.split_once(']'))
        .ok_or("the section heading is not closed: [Section] is expected")?;
    match name.trim() {
        "" => Err("the section heading is empty: [Section] is expected"),
        name => Ok((name, rest.trim())),
    }
}

fn parameter(text: &str) -> Result<Line<'_>, &'static str> {
    let (name, value) =
        text.split_once('=').ok_or("Name=Value, [Section], an include or a // comment is expected here")?;
    match name.trim() {
        "" => Err("there is no name before the ="),
        name => Ok(Line::Parameter { name, value: value.trim() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter_line<'a>(name: &'a str, value: &'a str) -> Line<'a> {
        Line::Parameter { name, value }
    }

    #[test]
    fn each_form_is_read() {
        let shared = || Include { file: "../shared.cfg", part: Part::Section("Shared") };
        let one = |default| Include {
            file: "a.cfg",
            part: Part::Parameter { section: "Shared", parameter: "Depth", default },
        };
        let cases = [
            ("", Line::Blank),
            (" \t", Line::Blank),
            ("// a comment", Line::Comment),
            ("  //[Docs]", Line::Comment),
            ("# a comment", Line::ForeignComment),
            ("; Depth=1", Line::ForeignComment),
            ("[Docs]", Line::Heading { name: "Docs", merge: None }),
            ("  [ My Docs ]  ", Line::Heading { name: "My Docs", merge: None }),
            ("[Mine] < \"../shared.cfg\" [Shared]", Line::Heading { name: "Mine", merge: Some(shared()) }),
            ("[Mine]<\"../shared.cfg\"[Shared]", Line::Heading { name: "Mine", merge: Some(shared()) }),
            ("< \"a b.cfg\"", Line::Include(Include { file: "a b.cfg", part: Part::Whole })),
            ("< \"../shared.cfg\" [Shared]", Line::Include(shared())),
            ("< \"a.cfg\" [Shared] Depth", Line::Include(one(None))),
            ("< \"a.cfg\" [Shared] Depth = 5", Line::Include(one(Some("5")))),
            ("< \"a.cfg\" [Shared] Depth=", Line::Include(one(Some("")))),
            ("Depth=5", parameter_line("Depth", "5")),
            ("\tDepth = 5 ", parameter_line("Depth", "5")),
            ("Depth=", parameter_line("Depth", "")),
            ("0=Docs", parameter_line("0", "Docs")),
            // Nothing in a value is a comment, an escape or another `=`.
            ("Url=http://h/?a=1#x;y // z", parameter_line("Url", "http://h/?a=1#x;y // z")),
            (r"SpiderUrlCantHaveRegex=.*/(login)\b.*", parameter_line("SpiderUrlCantHaveRegex", r".*/(login)\b.*")),
        ];
        for (text, line) in cases {
            assert_eq!(Line::parse(text), Ok(line), "{text}");
        }
    }

    #[test]
    fn what_is_no_line_is_refused() {
        let cases = [
            "Depth",
            "=5",
            "[Docs",
            "[]",
            "[Docs] Depth=5",
            "[Docs] // the docs",
            "[Docs] < \"a.cfg\"",
            "[Docs] < \"a.cfg\" [S] P",
            "<",
            "< a.cfg",
            "< \"a.cfg",
            "< \"\"",
            "< \"a.cfg\" Depth",
            "< \"a.cfg\" [S] =5",
            "< \"a.cfg\" [S] Ssl*=5",
            "/ Depth",
        ];
        for text in cases {
            assert!(Line::parse(text).is_err(), "{text}");
        }
    }
}
