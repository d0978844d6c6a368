//! Who may do what: roles as the configuration grants them and as the ports ask about them (aci.md 6.2). Pure.
//!
//! A role is granted to addresses of clients and to names in their certificates, and holds standard roles, single
//! actions, or both. The standard roles do not overlap: Admin does not include Query. Where no role and no list says who
//! holds a standard role, the reference's default does: Admin and ServiceControl are for this host, Query and
//! ServiceStatus for everybody.

mod client;
mod identity;

pub use client::{Client, Hosts};
pub use identity::{CertificateName, Identity, NameKind};

use crate::action::FromParam;
use crate::wildcard;
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

/// The roles that actions need, as the reference names them. Its fifth, Index, is for a port that a connector lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StandardRole {
    /// What destroys, or tells of what others ask, on the ACI port.
    Admin,
    /// Everything else on the ACI port.
    Query,
    /// What changes or ends the process, or shows its files, on the service port.
    ServiceControl,
    /// Everything else on the service port.
    ServiceStatus,
}

/// One role: who has it, and what it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Role {
    /// Its section or, of the lists that roles have replaced, the parameter.
    pub name: String,
    pub standard: Vec<StandardRole>,
    /// Names of single actions of the ACI port, with wildcards.
    pub actions: Vec<String>,
    /// The same of the service port.
    pub service_actions: Vec<String>,
    pub clients: Vec<Client>,
    pub identities: Vec<Identity>,
}

/// All roles, those of the defaults included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles(Vec<Role>);

/// Who asks, as far as roles look at it.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The address at the other end of the connection.
    pub ip: IpAddr,
    /// What the client's certificate says, if it has shown one that was checked.
    pub names: &'a [CertificateName],
    /// The addresses of the hosts that roles name.
    pub hosts: &'a Hosts,
}

impl StandardRole {
    pub const ALL: [StandardRole; 4] =
        [StandardRole::Admin, StandardRole::Query, StandardRole::ServiceControl, StandardRole::ServiceStatus];

    pub fn as_str(self) -> &'static str {
        match self {
            StandardRole::Admin => "Admin",
            StandardRole::Query => "Query",
            StandardRole::ServiceControl => "ServiceControl",
            StandardRole::ServiceStatus => "ServiceStatus",
        }
    }

    fn default_client(self) -> Client {
        match self {
            StandardRole::Admin | StandardRole::ServiceControl => Client::ThisHost,
            StandardRole::Query | StandardRole::ServiceStatus => Client::Everybody,
        }
    }
}

impl fmt::Display for StandardRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromParam for StandardRole {
    const EXPECTED: &'static str = "Admin, Query, ServiceControl, ServiceStatus or *";

    fn from_param(text: &str) -> Option<StandardRole> {
        // The reference's own example calls Query by its older name.
        let text = if text.trim().eq_ignore_ascii_case("User") { "Query" } else { text.trim() };
        StandardRole::ALL.into_iter().find(|role| role.as_str().eq_ignore_ascii_case(text))
    }
}

impl Default for Roles {
    fn default() -> Roles {
        Roles::new(Vec::new())
    }
}

impl Roles {
    /// These, and the default of each standard role that none of them holds. A role that nobody has replaces a default
    /// as well: an empty list of clients is how it is taken from everybody.
    pub fn new(mut roles: Vec<Role>) -> Roles {
        for standard in StandardRole::ALL {
            if !roles.iter().any(|role| role.standard.contains(&standard)) {
                roles.push(Role {
                    name: format!("the default of {standard}"),
                    standard: vec![standard],
                    clients: vec![standard.default_client()],
                    ..Role::default()
                });
            }
        }
        Roles(roles)
    }

    /// Whether `asker` may have `action` performed, which needs the standard role `needs` or a role that names it.
    pub fn may(&self, asker: Asker<'_>, action: &str, needs: StandardRole) -> bool {
        let holds = |role: &&Role| {
            let single = match needs {
                StandardRole::Admin | StandardRole::Query => &role.actions,
                StandardRole::ServiceControl | StandardRole::ServiceStatus => &role.service_actions,
            };
            role.standard.contains(&needs) || single.iter().any(|pattern| wildcard::matches(pattern, action))
        };
        self.0.iter().filter(holds).any(|role| role.is_of(asker))
    }

    /// Whether `asker` has a standard role.
    pub fn has(&self, asker: Asker<'_>, standard: StandardRole) -> bool {
        self.holding(standard).any(|role| role.is_of(asker))
    }

    /// The roles that hold a standard role.
    pub fn holding(&self, standard: StandardRole) -> impl Iterator<Item = &Role> {
        self.0.iter().filter(move |role| role.standard.contains(&standard))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Role> {
        self.0.iter()
    }

    /// The hosts whose addresses have to be known, each once.
    pub fn host_names(&self) -> BTreeSet<&str> {
        self.0.iter().flat_map(|role| &role.clients).filter_map(Client::host_name).collect()
    }
}

impl Role {
    fn is_of(&self, asker: Asker<'_>) -> bool {
        self.clients.iter().any(|client| client.includes(asker.ip, asker.hosts))
            || self.identities.iter().any(|identity| asker.names.iter().any(|name| identity.includes(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(standard: &[StandardRole], clients: &[&str]) -> Role {
        let clients = clients.iter().map(|text| Client::parse(text).expect("the test's clients can be read")).collect();
        Role { name: "R".to_owned(), standard: standard.to_vec(), clients, ..Role::default() }
    }

    fn granted(roles: &Roles, ip: &str) -> Vec<StandardRole> {
        let hosts = Hosts::default();
        let asker = Asker { ip: ip.parse().expect("the test's addresses are addresses"), names: &[], hosts: &hosts };
        StandardRole::ALL.into_iter().filter(|standard| roles.has(asker, *standard)).collect()
    }

    use StandardRole::{Admin, Query, ServiceControl, ServiceStatus};

    #[test]
    fn without_any_roles_this_host_may_do_all_and_others_may_ask() {
        let roles = Roles::default();
        for near in ["127.0.0.1", "127.1.2.3", "::1"] {
            assert_eq!(granted(&roles, near), StandardRole::ALL);
        }
        assert_eq!(granted(&roles, "192.0.2.1"), [Query, ServiceStatus]);
    }

    #[test]
    fn who_defines_a_standard_role_replaces_its_default_and_no_other() {
        let roles = Roles::new(vec![role(&[Admin], &["10.0.0.0/8"]), role(&[Query], &[])]);
        assert_eq!(granted(&roles, "10.1.1.1"), [Admin, ServiceStatus]);
        assert_eq!(granted(&roles, "127.0.0.1"), [ServiceControl, ServiceStatus]);
        assert_eq!(granted(&roles, "192.0.2.1"), [ServiceStatus]);
        let added = Roles::new(vec![role(&[Admin], &["10.0.0.1"]), role(&[Admin], &["localhost"])]);
        assert_eq!(granted(&added, "127.0.0.1"), StandardRole::ALL);
        assert_eq!(granted(&added, "10.0.0.1"), [Admin, Query, ServiceStatus]);
    }

    #[test]
    fn single_actions_are_those_of_their_port() {
        let mut monitor = role(&[], &["192.0.2.1"]);
        monitor.actions = vec!["queueinfo".to_owned(), "Get*".to_owned()];
        monitor.service_actions = vec!["Stop".to_owned()];
        let roles = Roles::new(vec![role(&[Query, ServiceStatus], &["localhost"]), monitor]);
        let hosts = Hosts::default();
        let asker = Asker { ip: IpAddr::from([192, 0, 2, 1]), names: &[], hosts: &hosts };
        for (action, needs, may) in [
            ("QueueInfo", Query, true),
            ("GetVersion", Query, true),
            ("Fetch", Query, false),
            ("Stop", ServiceControl, true),
            ("Stop", Admin, false),
            ("GetStatus", ServiceStatus, false),
        ] {
            assert_eq!(roles.may(asker, action, needs), may, "{action} {needs}");
        }
    }

    #[test]
    fn standard_roles_are_read_in_any_case() {
        assert_eq!(StandardRole::from_param(" servicecontrol"), Some(ServiceControl));
        assert_eq!(StandardRole::from_param("user"), Some(Query));
        assert_eq!(StandardRole::from_param("root"), None);
    }
}
