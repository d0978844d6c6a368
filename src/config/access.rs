//! Who may ask for what, and how: `[AuthorizationRoles]` and the lists of clients that roles have replaced, `SSLConfig`,
//! and the origins of pages that may read answers (aci.md 6.2).

use super::outgoing::speaks_tls;
use super::parameters::{NO_INDEX_PORT, Weight};
use super::{BadSetting, Door, Layers, Reader, is_own_section, unquoted};
use crate::action::FromParam;
use crate::roles::{Client, Identity, Role, Roles, StandardRole};
use crate::tls::PortFiles;
use url::Url;

/// The lists of the reference's older versions. What they grant is added to what roles grant, and as with roles, one that
/// is there replaces the default, also if it is empty.
const LISTS: [(&str, &str, StandardRole); 4] = [
    ("Server", "AdminClients", StandardRole::Admin),
    ("Server", "QueryClients", StandardRole::Query),
    ("Service", "ServiceControlClients", StandardRole::ServiceControl),
    ("Service", "ServiceStatusClients", StandardRole::ServiceStatus),
];

impl Reader<'_> {
    pub(super) fn roles(&mut self) -> Roles {
        let mut roles = Vec::new();
        let listed = self.ini.section("AuthorizationRoles").map_or(Vec::new(), |section| {
            section.numbered("").into_iter().map(|(_, entry)| (section, entry)).collect()
        });
        for (list, entry) in listed {
            let name = unquoted(&entry.value);
            if roles.iter().any(|role: &Role| role.name.eq_ignore_ascii_case(&name)) {
                self.warn(format!("{}: the role {name} is listed before", entry.origin));
            } else if is_own_section(&name) {
                let expected = "a name that is not the one of a section of the server";
                self.problems.push(BadSetting::unusable(list, entry, expected));
            } else if self.ini.section(&name).is_none() {
                let expected = "the name of a section that says who has the role and what it holds";
                self.problems.push(BadSetting::unusable(list, entry, expected));
            } else {
                roles.push(self.role(&name));
            }
        }
        for (section, name, standard) in LISTS {
            let section = self.layers(&[section]);
            if section.get(name).is_some() {
                let clients = self.items(&section, name, Client::EXPECTED, Client::parse);
                roles.push(Role { name: name.to_owned(), standard: vec![standard], clients, ..Role::default() });
            }
        }
        Roles::new(roles)
    }

    fn role(&mut self, name: &str) -> Role {
        let section = self.layers(&[name]);
        if section.text("GSSPrincipals").is_some() {
            let expected =
                "nothing, as Kerberos is not spoken here: say with Clients or SSLIdentities who has the role";
            self.problems.push(section.bad("GSSPrincipals", expected));
        }
        let role = Role {
            name: name.to_owned(),
            standard: self.standard_roles(&section),
            actions: section.list("Actions"),
            service_actions: section.list("ServiceActions"),
            clients: self.items(&section, "Clients", Client::EXPECTED, Client::parse),
            identities: self.items(&section, "SSLIdentities", Identity::EXPECTED, Identity::parse),
        };
        let origin = self.ini.section(name).map(|section| section.origin().clone());
        let is_set = |name: &&str| section.get(name).is_some();
        let (held, had) =
            (["StandardRoles", "Actions", "ServiceActions", "IndexActions"], ["Clients", "SSLIdentities"]);
        if let Some(origin) = origin {
            if !held.iter().any(is_set) {
                self.warn(format!(
                    "{origin}: the role {name} holds nothing; StandardRoles, Actions or ServiceActions is missing"
                ));
            }
            if !had.iter().any(is_set) {
                self.warn(format!("{origin}: nobody has the role {name}; Clients or SSLIdentities is missing"));
            }
        }
        role
    }

    fn standard_roles(&mut self, section: &Layers<'_>) -> Vec<StandardRole> {
        let mut standard = Vec::new();
        for item in section.list("StandardRoles") {
            match StandardRole::from_param(&item) {
                Some(role) => standard.push(role),
                None if item.trim() == "*" => standard.extend(StandardRole::ALL),
                None if item.trim().eq_ignore_ascii_case("Index") => {
                    let origin =
                        section.get("StandardRoles").map(|entry| format!("{}: ", entry.origin)).unwrap_or_default();
                    self.note(Weight::Light, format!("{origin}Index in StandardRoles has no effect: {NO_INDEX_PORT}"));
                }
                None => {
                    let expected = format!("one or several of {}, with commas between", StandardRole::EXPECTED);
                    self.problems.push(section.bad("StandardRoles", &expected));
                    break;
                }
            }
        }
        standard.sort_unstable();
        standard.dedup();
        standard
    }

    /// A list of items that `read` can read; the first that it cannot is a problem.
    fn items<T>(
        &mut self,
        section: &Layers<'_>,
        name: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let mut items = Vec::new();
        for item in section.list(name) {
            let Some(read) = read(&item) else {
                self.problems.push(section.bad(name, &format!("{expected}; \"{item}\" is none of these")));
                break;
            };
            items.push(read);
        }
        items
    }

    /// What `[Server]` or `[Service]` says of its port beside the address.
    pub(super) fn door(&mut self, section: &Layers<'_>) -> Door {
        let tls = match self.port_tls(section) {
            Ok(tls) => tls,
            // Both ports may name the section.
            Err(problem) if self.problems.contains(&problem) => None,
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        };
        let expected = "origins such as https://admin.example.com:8443, with spaces between, or *";
        let read = |text: &str| text.split_whitespace().map(origin).collect();
        Door { tls, origins: self.or(section.read_with("Access-Control-Allow-Origin", expected, read), Vec::new()) }
    }

    fn port_tls(&mut self, section: &Layers<'_>) -> Result<Option<PortFiles>, BadSetting> {
        let Some(name) = section.text("SSLConfig") else { return Ok(None) };
        if self.ini.section(&name).is_none() {
            return Err(section.bad("SSLConfig", "the name of a section with SSLCertificate and SSLPrivateKey"));
        }
        let tls = self.layers(&[&name]);
        let speaks_tls = speaks_tls(&tls)?;
        let is_checked = tls.boolean("SSLCheckCertificate")?.unwrap_or(false);
        if !speaks_tls {
            let origin = tls.get("SSLMethod").map_or(String::new(), |entry| entry.origin.to_string());
            self.warn(format!("{origin}: [{name}] SSLMethod is NONE: the port speaks plain HTTP"));
            return Ok(None);
        }
        if tls.text("SSLPrivateKeyPassword").is_some() {
            let expected = "nothing, as an encrypted key cannot be read: decrypt it with openssl pkey";
            return Err(tls.bad("SSLPrivateKeyPassword", expected));
        }
        let path = |name: &str| tls.text(name).map(|text| self.base.join(text));
        let certificate = path("SSLCertificate")
            .ok_or_else(|| tls.bad("SSLCertificate", "the PEM file of the port's certificate"))?;
        let key = path("SSLPrivateKey").unwrap_or_else(|| certificate.clone());
        let authorities = path("SSLCACertificate");
        if is_checked && authorities.is_none() {
            let expected =
                "the PEM file of those who issue the certificates of clients, as SSLCheckCertificate is TRUE";
            return Err(tls.bad("SSLCACertificate", expected));
        }
        let files = PortFiles { certificate, key, authorities: authorities.filter(|_| is_checked) };
        match files.load() {
            Ok(_) => Ok(Some(files)),
            Err(bad) => {
                let of = |path: &std::path::PathBuf| *path == bad.path;
                let name = match &files {
                    PortFiles { authorities: Some(path), .. } if of(path) => "SSLCACertificate",
                    PortFiles { certificate, .. } if of(certificate) => "SSLCertificate",
                    PortFiles { .. } => "SSLPrivateKey",
                };
                Err(tls.bad(name, &format!("a file that can be used ({bad})")))
            }
        }
    }

    /// Whether a port's `SSLConfig` names this section.
    pub(super) fn is_port_tls(&self, title: &str) -> bool {
        ["Server", "Service"].iter().any(|section| {
            self.layers(&[section]).text("SSLConfig").is_some_and(|name| name.eq_ignore_ascii_case(title))
        })
    }

    /// Identities that nobody can show.
    pub(super) fn note_unchecked_identities(&mut self, roles: &Roles, doors: [&Door; 2]) {
        let is_checked = |door: &&Door| door.tls.as_ref().is_some_and(|tls| tls.authorities.is_some());
        if doors.iter().any(is_checked) {
            return;
        }
        for role in roles.iter().filter(|role| !role.identities.is_empty()) {
            let entry = self.layers(&[&role.name]).get("SSLIdentities");
            let origin = entry.map_or(String::new(), |entry| format!("{}: ", entry.origin));
            self.warn(format!(
                "{origin}[{}] SSLIdentities has no effect: no port asks for certificates, which SSLConfig with \
                 SSLCheckCertificate=TRUE would make it do",
                role.name
            ));
        }
    }
}

/// As browsers write it, without the port that is the scheme's own.
fn origin(text: &str) -> Option<String> {
    if text == "*" {
        return Some(text.to_owned());
    }
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    is_bare.then(|| url.origin().ascii_serialization())
}
