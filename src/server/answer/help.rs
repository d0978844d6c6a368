//! `action=Help`: what a port understands, for people: a page without scripts for a browser, or plain text. It comes from the
//! tables by which requests are read and parameters are looked up, so it cannot say anything else than they do.

use super::Answers;
use crate::aci::{
    ACI_ACTIONS, ActionSpec, Help, HelpForm, HelpPort, ParamSpec, Raw, Reply, SERVICE_ACTIONS, STANDARD_PARAMS,
};
use crate::action::BadParam;
use crate::{config, fetchaction};
use std::fmt::Write as _;

/// The examples that change nothing, and that a page may offer to be clicked on.
const LINKED: [&str; 6] = ["GetStatus", "GetVersion", "GetPid", "GetLicenseInfo", "TaskList", "Help"];

/// The page, before it has a form.
struct Page {
    title: String,
    intro: String,
    sections: Vec<Section>,
}

/// Something that is explained: an action, or a list of parameters.
struct Section {
    heading: String,
    text: String,
    rows: Vec<Row>,
    /// A request, beginning after the slash.
    example: Option<Example>,
}

struct Row {
    name: String,
    /// What is to be known before what it does.
    note: String,
    text: String,
}

struct Example {
    request: &'static str,
    is_linked: bool,
}

impl Answers {
    pub(super) fn help(&self, help: &Help) -> Reply {
        let (port, actions) = match help.port {
            HelpPort::Aci => (self.ports.aci.port(), ACI_ACTIONS),
            HelpPort::Service => (self.ports.service.port(), SERVICE_ACTIONS),
        };
        let page = match &help.action {
            None => whole(help.port, actions),
            Some(name) => match find(actions, name) {
                Ok(spec) => one(spec),
                Err(bad) => return Reply::error("Help", bad),
            },
        };
        let (content_type, text) = match help.form {
            HelpForm::Html => ("text/html; charset=utf-8", page.html()),
            HelpForm::Text => ("text/plain; charset=utf-8", page.text(port)),
        };
        Reply::raw("Help", Raw { status: 200, content_type: content_type.to_owned(), bytes: text.into_bytes() })
    }
}

fn find<'a>(actions: &'a [ActionSpec], name: &str) -> Result<&'a ActionSpec, BadParam> {
    let names = || actions.iter().map(|spec| spec.name).collect::<Vec<_>>().join(", ");
    let found = actions.iter().find(|spec| spec.name.eq_ignore_ascii_case(name.trim()));
    found.ok_or_else(|| BadParam::unreadable("ActionName", name, format!("an action of this port: {}", names())))
}

fn whole(port: HelpPort, actions: &[ActionSpec]) -> Page {
    let mut sections: Vec<Section> = actions.iter().map(action).collect();
    let (what, other) = match port {
        HelpPort::Aci => ("ACI", "The service port has a help of its own."),
        HelpPort::Service => ("service", "The ACI port, which takes actions, has a help of its own."),
    };
    sections.push(standard());
    if port == HelpPort::Aci {
        sections.extend([of_tasks(), of_server()]);
    }
    Page {
        title: format!("webconnector {}: the {what} port", env!("CARGO_PKG_VERSION")),
        intro: format!(
            "Names are read in any case. Help&ActionName=... tells of one action; Help&Format=Text is for a terminal. {other}"
        ),
        sections,
    }
}

fn one(spec: &ActionSpec) -> Page {
    let mut sections = vec![action(spec), standard()];
    if spec.name == "Fetch" {
        sections.push(of_tasks());
    }
    let title = format!("webconnector {}: {}", env!("CARGO_PKG_VERSION"), spec.name);
    Page { title, intro: "Names are read in any case. Help tells of all actions.".to_owned(), sections }
}

fn action(spec: &ActionSpec) -> Section {
    let is_linked = LINKED.contains(&spec.name);
    Section {
        heading: spec.name.to_owned(),
        text: format!("{}.", spec.summary),
        rows: spec.params.iter().map(param).collect(),
        example: Some(Example { request: spec.example, is_linked }),
    }
}

fn param(spec: &ParamSpec) -> Row {
    let note = if spec.required { "required" } else { "" };
    Row { name: spec.name.to_owned(), note: note.to_owned(), text: spec.summary.to_owned() }
}

fn standard() -> Section {
    Section {
        heading: "Parameters of every action".to_owned(),
        text: String::new(),
        rows: STANDARD_PARAMS.iter().map(param).collect(),
        example: None,
    }
}

fn of_tasks() -> Section {
    let row = |parameter: &fetchaction::TaskParameter| Row {
        name: parameter.name.to_owned(),
        note: default(parameter.default),
        text: parameter.summary.to_owned(),
    };
    Section {
        heading: "Parameters of tasks".to_owned(),
        text: "In a task's section, in [FetchTasks] or [Default], or with Fetch for one action.".to_owned(),
        rows: fetchaction::PARAMETERS.iter().map(row).collect(),
        example: None,
    }
}

fn of_server() -> Section {
    let row = |parameter: &config::ParameterSpec| Row {
        name: format!("[{}] {}", parameter.section, parameter.name),
        note: default(parameter.default),
        text: parameter.summary.to_owned(),
    };
    Section {
        heading: "Parameters of the server".to_owned(),
        text: "In the configuration file; they count from the next start.".to_owned(),
        rows: config::PARAMETERS.iter().map(row).collect(),
        example: None,
    }
}

fn default(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("default: {text}") }
}

impl Page {
    fn html(&self) -> String {
        const STYLE: &str = "body{font-family:sans-serif;max-width:60em;margin:1em auto;padding:0 1em}\
            td{vertical-align:top;padding:.15em 1em .15em 0}td:first-child{white-space:nowrap}\
            h2{margin:1.5em 0 .3em}p{margin:.3em 0}code{word-break:break-all}";
        let title = escaped(&self.title);
        let mut html = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p>{}</p>\n<p>",
            escaped(&self.intro)
        );
        for section in &self.sections {
            let heading = escaped(&section.heading);
            let _ = write!(html, "<a href=\"#{}\">{heading}</a> ", anchor(&section.heading));
        }
        html.push_str("</p>\n");
        for section in &self.sections {
            section.html(&mut html);
        }
        html.push_str("</body>\n</html>\n");
        html
    }

    fn text(&self, port: u16) -> String {
        let mut text = format!("{}\n\n{}\n", self.title, self.intro);
        for section in &self.sections {
            section.text(&mut text, port);
        }
        text
    }
}

impl Section {
    fn html(&self, html: &mut String) {
        let Section { heading, text, rows, example } = self;
        let _ = writeln!(html, "<h2 id=\"{}\">{}</h2>", anchor(heading), escaped(heading));
        if !text.is_empty() {
            let _ = writeln!(html, "<p>{}</p>", escaped(text));
        }
        if let Some(Example { request, is_linked }) = example {
            let request = escaped(request);
            let shown = format!("<code>/{request}</code>");
            let shown = if *is_linked { format!("<a href=\"/{request}\">{shown}</a>") } else { shown };
            let _ = writeln!(html, "<p>Example: {shown}</p>");
        }
        if !rows.is_empty() {
            html.push_str("<table>\n");
            for Row { name, note, text } in rows {
                let note = if note.is_empty() { String::new() } else { format!(" <i>({})</i>", escaped(note)) };
                let _ =
                    writeln!(html, "<tr><td><code>{}</code></td><td>{}{note}</td></tr>", escaped(name), escaped(text));
            }
            html.push_str("</table>\n");
        }
    }

    fn text(&self, out: &mut String, port: u16) {
        let Section { heading, text, rows, example } = self;
        let _ = writeln!(out, "\n{heading}");
        if !text.is_empty() {
            wrapped(out, "  ", "  ", text);
        }
        for Row { name, note, text } in rows {
            let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
            wrapped(out, "    ", "        ", &format!("{name}: {text}{note}"));
        }
        if let Some(Example { request, .. }) = example {
            // Whole, however long: it is meant to be copied.
            let _ = writeln!(out, "  curl 'http://localhost:{port}/{request}'");
        }
    }
}

/// Lines of at most 100 characters, unless a word is longer; the second and further ones are indented by `hanging`.
fn wrapped(out: &mut String, first: &str, hanging: &str, text: &str) {
    const CHARS_MAX: usize = 100;
    let (mut line, mut is_empty) = (first.to_owned(), true);
    for word in text.split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > CHARS_MAX {
            let _ = writeln!(out, "{line}");
            (line, is_empty) = (hanging.to_owned(), true);
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    let _ = writeln!(out, "{line}");
}

fn anchor(heading: &str) -> String {
    heading.replace(' ', "-")
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            character => html.push(character),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_to_be_clicked_on_needs_nothing_and_is_there() {
        for name in LINKED {
            let spec = ACI_ACTIONS.iter().find(|spec| spec.name == name);
            assert!(spec.is_some_and(|spec| spec.params.iter().all(|param| !param.required)), "{name}");
        }
    }

    #[test]
    fn text_is_wrapped_and_markup_is_escaped() {
        let mut out = String::new();
        wrapped(&mut out, "- ", "  ", &"word ".repeat(30));
        let lines: Vec<&str> = out.lines().collect();
        assert!(lines.len() == 2 && lines[0].len() <= 100 && lines[1].starts_with("  word"), "{out}");
        assert_eq!(escaped("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    }
}
