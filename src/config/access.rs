//! Who may ask for what: `[AuthorizationRoles]`, and the lists of clients that roles have replaced (aci.md 6.2).

use super::parameters::{NO_INDEX_PORT, Weight};
use super::{BadSetting, Layers, Reader, is_own_section, unquoted};
use crate::action::FromParam;
use crate::roles::{Client, Identity, Role, Roles, StandardRole};

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
}
