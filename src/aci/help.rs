//! `action=Help` as a type.

use crate::action::{BadParam, FromParam, Params};

/// `action=Help`: what a port understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Help {
    pub port: HelpPort,
    /// The one action that is asked about; all of them if there is none.
    pub action: Option<String>,
    pub form: HelpForm,
}

/// Whose actions a help is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HelpPort {
    Aci,
    Service,
}

/// For whom a help is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HelpForm {
    /// A browser.
    #[default]
    Html,
    /// A terminal.
    Text,
}

impl Help {
    pub(super) fn parse(port: HelpPort, params: &Params) -> Result<Help, BadParam> {
        Ok(Help { port, action: params.optional("ActionName")?, form: params.optional("Format")?.unwrap_or_default() })
    }
}

impl FromParam for HelpForm {
    const EXPECTED: &'static str = "HTML or Text";

    fn from_param(text: &str) -> Option<HelpForm> {
        match text.trim().to_ascii_lowercase().as_str() {
            "html" => Some(HelpForm::Html),
            "text" => Some(HelpForm::Text),
            _ => None,
        }
    }
}
