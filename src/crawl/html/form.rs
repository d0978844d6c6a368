//! The forms of a document, as far as filling one in needs: where it goes, and its controls with what they hold.
//!
//! Bounded: a document has [`FORMS_MAX`] forms of [`CONTROLS_MAX`] controls.

use super::foreign::Namespace;
use super::name::Name;
use super::selector::Element;
use super::text::decode_value;
use super::tokens::{Tag, Token, Tokens};
use super::{Syntax, links};
use crate::stop::{StopFlag, Stopped};
use std::borrow::Cow;

const FORMS_MAX: usize = 50;
const CONTROLS_MAX: usize = 500;
/// Longest value of a `textarea` or an `option` without one of its own.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// One `<form>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Not joined; empty for the page itself.
    pub action: String,
    pub method: Method,
    /// In lower case; empty if it is not said.
    pub enctype: String,
    /// In the order of the page, those that are disabled left out.
    pub controls: Vec<Control>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
}

/// What a form sends one value of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    pub kind: ControlKind,
    /// `input`, `button`, `select` or `textarea`.
    pub element: &'static str,
    /// Names in lower case, values decoded; the first of each name.
    pub attributes: Vec<(String, String)>,
    /// What is sent if it is sent.
    pub value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlKind {
    /// Sent as it is: texts, passwords, hidden fields, selections.
    Plain,
    /// A box or radio button, sent if it is checked.
    Box { checked: bool },
    /// Sent if the form is submitted with it.
    Submit,
    /// Never sent: reset buttons, files, buttons for scripts.
    Inert,
}

impl Control {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// Without one nothing is sent.
    pub fn name(&self) -> &str {
        self.attribute("name").unwrap_or_default()
    }
}

impl Element for Control {
    fn is_named(&self, name: &str) -> bool {
        self.element.eq_ignore_ascii_case(name)
    }

    fn attribute(&self, name: &str) -> Option<Cow<'_, str>> {
        Control::attribute(self, name).map(Cow::Borrowed)
    }
}

/// Finds the forms of an HTML document. A control belongs to the form that was opened last and is not closed.
pub fn forms(source: &str, stop: &StopFlag) -> Result<Vec<Form>, Stopped> {
    let mut reader = Reader::default();
    let mut tokens = Tokens::new(source, Syntax::Html);
    let mut count = 0;
    while let Some(token) = tokens.next() {
        count += 1;
        if count % super::TOKENS_BETWEEN_LOOKS == 0 {
            stop.check()?;
        }
        match token {
            Token::Text(text) => reader.text(text.source, text.has_references),
            Token::Start(tag) if tag.namespace == Namespace::Html => reader.start(&tag),
            Token::End(name, Namespace::Html) => reader.end(name),
            Token::Start(_) | Token::End(..) => {}
        }
    }
    Ok(reader.forms)
}

#[derive(Default)]
struct Reader {
    forms: Vec<Form>,
    /// The last of `forms` takes controls.
    is_open: bool,
    /// The text that comes is its value: of a `textarea`, or of an `option` that has none of its own.
    text_of: Option<Name>,
    selection: Selection,
}

/// What the select that is open has as its value.
#[derive(Default, PartialEq, Eq)]
enum Selection {
    /// There is no open select.
    #[default]
    None,
    Nothing,
    /// Its first option, until one that is selected comes.
    First,
    Selected,
}

impl Reader {
    fn start(&mut self, tag: &Tag<'_, '_>) {
        match tag.name {
            // A form in a form is none.
            Name::Form if !self.is_open && self.forms.len() < FORMS_MAX => {
                let value = |name| tag.value(name).map(decode_value).unwrap_or_default();
                let method =
                    if value("method").trim().eq_ignore_ascii_case("post") { Method::Post } else { Method::Get };
                let enctype = value("enctype").trim().to_ascii_lowercase();
                let action = links::trim(&value("action")).to_owned();
                self.forms.push(Form { action, method, enctype, controls: Vec::new() });
                self.is_open = true;
            }
            Name::Input => self.control(tag, "input", input_kind(tag)),
            Name::Button => {
                let kind = match tag.value("type").map(str::trim) {
                    Some(kind) if kind.eq_ignore_ascii_case("button") || kind.eq_ignore_ascii_case("reset") => {
                        ControlKind::Inert
                    }
                    _ => ControlKind::Submit,
                };
                self.control(tag, "button", kind);
            }
            Name::Textarea => {
                self.control(tag, "textarea", ControlKind::Plain);
                self.text_of = Some(Name::Textarea);
            }
            Name::Select => {
                self.control(tag, "select", ControlKind::Plain);
                self.selection = Selection::Nothing;
            }
            Name::Option => self.option(tag),
            _ => {}
        }
    }

    fn end(&mut self, name: Name) {
        match name {
            Name::Form => self.is_open = false,
            Name::Select => self.selection = Selection::None,
            _ => {}
        }
        self.text_of = None;
    }

    fn control(&mut self, tag: &Tag<'_, '_>, element: &'static str, kind: ControlKind) {
        let is_open = self.is_open;
        let Some(form) = self.forms.last_mut().filter(|form| is_open && form.controls.len() < CONTROLS_MAX) else {
            return;
        };
        // One that is disabled is there and never sent.
        let kind = if tag.has("disabled") { ControlKind::Inert } else { kind };
        let mut attributes: Vec<(String, String)> = Vec::new();
        for attribute in tag.attributes {
            let name = attribute.name.to_ascii_lowercase();
            if !attributes.iter().any(|(given, _)| *given == name) {
                attributes.push((name, decode_value(attribute.value).into_owned()));
            }
        }
        let given = attributes.iter().find(|(name, _)| name == "value").map(|(_, value)| value.clone());
        let value = match (element, kind) {
            ("select" | "textarea", _) => String::new(),
            (_, ControlKind::Box { .. }) => given.unwrap_or_else(|| "on".to_owned()),
            _ => given.unwrap_or_default(),
        };
        form.controls.push(Control { kind, element, attributes, value });
    }

    fn option(&mut self, tag: &Tag<'_, '_>) {
        self.text_of = None;
        self.selection = match (&self.selection, tag.has("selected")) {
            (Selection::Nothing, false) => Selection::First,
            (Selection::Nothing | Selection::First, true) => Selection::Selected,
            _ => return,
        };
        let value = tag.value("value").map(|value| decode_value(value).into_owned());
        self.text_of = value.is_none().then_some(Name::Option);
        if let Some(select) = self.current() {
            select.value = value.unwrap_or_default();
        }
    }

    fn text(&mut self, source: &str, has_references: bool) {
        let Some(of) = self.text_of else { return };
        let Some(control) = self.current().filter(|control| control.value.len() + source.len() <= TEXT_BYTES_MAX)
        else {
            return;
        };
        let text = if has_references { decode_value(source) } else { source.into() };
        if of == Name::Option {
            control.value.push_str(text.trim());
        } else {
            // The line break right behind the tag is no part of it.
            control.value.push_str(text.strip_prefix('\n').unwrap_or(&text));
        }
    }

    fn current(&mut self) -> Option<&mut Control> {
        let is_open = self.is_open;
        self.forms.last_mut().filter(|_| is_open)?.controls.last_mut()
    }
}

fn input_kind(tag: &Tag<'_, '_>) -> ControlKind {
    match tag.value("type").unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "checkbox" | "radio" => ControlKind::Box { checked: tag.has("checked") },
        "submit" | "image" => ControlKind::Submit,
        "button" | "reset" | "file" => ControlKind::Inert,
        _ => ControlKind::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str) -> Vec<Form> {
        forms(source, &StopFlag::new()).expect("nobody sets the flag")
    }

    #[test]
    fn a_form_is_read_with_what_its_controls_hold() {
        let found = of("<input name=outside><form action=' /in?a=1&amp;b=2 ' METHOD=Post id=login>\
            <input name=user value='J&ouml;'><input type=Password name=pw><input type=hidden name=csrf value=x1>\
            <input type=checkbox name=stay><input type=radio name=r value=1><input type=radio name=r value=2 checked>\
            <textarea name=t>\na &lt; b</textarea>\
            <select name=s><option>one<option value=2 selected>two<option selected>three</select>\
            <select name=first><option>one &amp; all</option><option value=b>two</select>\
            <input name=off disabled value=x><input type=file name=f><input type=reset>\
            <input type=submit name=go value=Go><button name=b value=B>x</button><button type=button name=no>x</button>\
            <form action=inner><input name=inner></form><input name=outside>");
        let [form] = &found[..] else { panic!("{found:?}") };
        assert_eq!((form.action.as_str(), form.method), ("/in?a=1&b=2", Method::Post));
        let controls: Vec<(&str, &str, ControlKind)> =
            form.controls.iter().map(|control| (control.name(), control.value.as_str(), control.kind)).collect();
        assert_eq!(
            controls,
            [
                ("user", "Jö", ControlKind::Plain),
                ("pw", "", ControlKind::Plain),
                ("csrf", "x1", ControlKind::Plain),
                ("stay", "on", ControlKind::Box { checked: false }),
                ("r", "1", ControlKind::Box { checked: false }),
                ("r", "2", ControlKind::Box { checked: true }),
                ("t", "a < b", ControlKind::Plain),
                ("s", "2", ControlKind::Plain),
                ("first", "one & all", ControlKind::Plain),
                ("off", "x", ControlKind::Inert),
                ("f", "", ControlKind::Inert),
                ("", "", ControlKind::Inert),
                ("go", "Go", ControlKind::Submit),
                ("b", "B", ControlKind::Submit),
                ("no", "", ControlKind::Inert),
                ("inner", "", ControlKind::Plain),
            ]
        );
    }

    #[test]
    fn what_a_page_holds_of_forms_is_bounded() {
        let page = format!("{}</form>", "<form><input name=a>".repeat(2)).repeat(FORMS_MAX + 10);
        assert_eq!(of(&page).len(), FORMS_MAX);
        let page = format!("<form>{}", "<input name=a>".repeat(CONTROLS_MAX + 10));
        assert_eq!(of(&page)[0].controls.len(), CONTROLS_MAX);
        let page = format!("<form><textarea>{}", "long ".repeat(TEXT_BYTES_MAX));
        assert!(of(&page)[0].controls[0].value.len() <= TEXT_BYTES_MAX);
    }
}
