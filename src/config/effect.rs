//! What somebody has set and nothing comes of: sections and parameters that are not known, and those of the reference that have no
//! effect here.

use super::parameters::{PARAMETERS, PORT_TLS, ROLE, UNUSED, UNUSED_SECTIONS, Weight};
use super::{Entry, Notice, Reader, is_handler_section, nearest, unquoted};

impl Reader<'_> {
    /// Nothing that someone wrote is passed over in silence.
    pub(super) fn note_what_has_no_effect(&mut self, tasks: &[String]) {
        let sections = || PARAMETERS.iter().map(|spec| spec.section).chain(["Fetch", "Default"]);
        for section in self.ini.sections() {
            let (title, origin) = (section.name(), section.origin());
            let is_unused = |(name, ..): &&(&str, Weight, &str)| name.eq_ignore_ascii_case(title);
            if let Some((_, weight, effect)) = UNUSED_SECTIONS.iter().find(is_unused) {
                self.note(*weight, format!("{origin}: [{title}] has no effect: {effect}"));
                continue;
            }
            // A section that nobody knows may be one that an action names; a mistyped one is not.
            let is_task = tasks.iter().any(|task| task.eq_ignore_ascii_case(title));
            let is_named = is_handler_section(self.ini, title)
                || self.is_listed("AuthorizationRoles", title)
                || self.is_port_tls(title);
            let is_known = is_task || is_own_section(title) || is_named;
            if let Some(meant) = nearest(title, sections()).filter(|_| !is_known) {
                self.warn(format!("{origin}: [{title}] is not known; is [{meant}] meant?"));
            }
            // [Fetch] is [Actions] for one queue, a stream's section is [Logging] for one stream; the
            // sections of roles and of TLS have names too.
            let declared = match title {
                _ if title.eq_ignore_ascii_case("Fetch") => "Actions",
                _ if self.is_listed("Logging", title) => "Logging",
                _ if self.is_listed("AuthorizationRoles", title) => ROLE,
                _ if self.is_port_tls(title) => PORT_TLS,
                _ => title,
            };
            // Where tasks have parameters, names are judged by whoever declares those.
            if has_parameters(declared) && !declared.eq_ignore_ascii_case("FetchTasks") {
                for entry in section.entries() {
                    self.note_entry(declared, title, entry);
                }
            }
        }
    }

    /// Whether `section` lists one called `title`: a log stream, a role.
    fn is_listed(&self, section: &str, title: &str) -> bool {
        let listed = self.ini.section(section).map_or(Vec::new(), |section| section.numbered(""));
        listed.iter().any(|(_, entry)| unquoted(&entry.value).eq_ignore_ascii_case(title))
    }

    fn note_entry(&mut self, declared: &str, title: &str, entry: &Entry) {
        let Entry { name, origin, .. } = entry;
        let mut known = PARAMETERS.iter().filter(|spec| spec.section.eq_ignore_ascii_case(declared));
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
        // 0 stands for the whole list.
        if known.clone().any(|spec| spec.name.eq_ignore_ascii_case(name) || spec.name == "0" && is_number) {
            return;
        }
        let mut unused = UNUSED.iter().filter(|unused| unused.section.eq_ignore_ascii_case(declared));
        if let Some(unused) = unused.find(|unused| unused.name.eq_ignore_ascii_case(name)) {
            self.note(unused.weight, format!("{origin}: [{title}] {name} has no effect: {}", unused.effect));
            return;
        }
        // Some stand in one section and work on another one's subject: to be told so is the shorter search.
        let at_home = PARAMETERS.iter().find(|spec| spec.name.eq_ignore_ascii_case(name));
        let hint = match (at_home, nearest(name, known.by_ref().map(|spec| spec.name))) {
            (Some(spec), _) => format!("; its section is [{}]", spec.section),
            (None, Some(meant)) => format!("; is {meant} meant?"),
            (None, None) => String::new(),
        };
        self.warn(format!("{origin}: [{title}] {name} is not known and has no effect{hint}"));
    }

    pub(super) fn note(&mut self, weight: Weight, text: String) {
        match weight {
            Weight::Light => self.notices.push(Notice::info(text)),
            Weight::Heavy => self.warn(text),
        }
    }
}

fn has_parameters(section: &str) -> bool {
    PARAMETERS.iter().any(|spec| spec.section.eq_ignore_ascii_case(section))
}

/// Whether a section of this name is the server's, so that no task can have it.
pub fn is_own_section(name: &str) -> bool {
    // The sections of roles and of TLS have other names than those that stand in for them.
    has_parameters(name) && ![ROLE, PORT_TLS].contains(&name)
        || name.eq_ignore_ascii_case("Fetch")
        || name.eq_ignore_ascii_case("Default")
        || UNUSED_SECTIONS.iter().any(|(section, ..)| section.eq_ignore_ascii_case(name))
}
