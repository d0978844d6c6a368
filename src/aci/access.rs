//! Whether a caller may have an action performed. Asks no name server and waits for nothing: who holds which role is
//! known before a request comes.

use super::actions::ActionSpec;
use super::reply::{ErrorCode, Failure};
use crate::roles::{Asker, CertificateName, Hosts, Roles, StandardRole};
use parking_lot::Mutex;
use std::net::IpAddr;
use std::sync::Arc;

/// The roles, and what is known of the hosts that they name. Shared by the ports.
#[derive(Debug, Default)]
pub struct Access {
    roles: Roles,
    /// Replaced whole when names are resolved anew.
    hosts: Mutex<Arc<Hosts>>,
}

impl Access {
    pub fn new(roles: Roles) -> Access {
        Access { roles, hosts: Mutex::default() }
    }

    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Replaces what is known of hosts.
    pub(super) fn know(&self, hosts: Hosts) {
        *self.hosts.lock() = Arc::new(hosts);
    }

    /// Whether a client with this address and certificate has a standard role.
    pub fn has(&self, ip: IpAddr, names: &[CertificateName], standard: StandardRole) -> bool {
        let hosts = Arc::clone(&self.hosts.lock());
        self.roles.has(Asker { ip, names, hosts: &hosts }, standard)
    }

    /// Refuses an action that a client with this address and certificate may not have performed, and says so in the log
    /// as well.
    pub(super) fn check(&self, ip: IpAddr, names: &[CertificateName], action: &ActionSpec) -> Result<(), Failure> {
        let hosts = Arc::clone(&self.hosts.lock());
        if self.roles.may(Asker { ip, names, hosts: &hosts }, action.name, action.role) {
            return Ok(());
        }
        let ActionSpec { name, role, .. } = action;
        let caller = names.first().map_or(ip.to_string(), |name| format!("{ip} with a certificate of {name}"));
        log::warn!(target: "application", "{name} was refused: it needs the role {role}, which {caller} does not have");
        let why = format!(
            "{name} needs the role {role}, which {caller} does not have; who has it is set in [AuthorizationRoles] of \
             the server's configuration"
        );
        Err(Failure::new(ErrorCode::Permission, why))
    }
}

#[cfg(test)]
mod tests {
    use super::super::actions::{ACI_ACTIONS, SERVICE_ACTIONS};
    use super::*;
    use crate::roles::{Client, Role};

    fn names_allowed(access: &Access, ip: &str, table: &'static [ActionSpec]) -> Vec<&'static str> {
        let peer = ip.parse().expect("the test's addresses are addresses");
        table.iter().filter(|spec| access.check(peer, &[], spec).is_ok()).map(|spec| spec.name).collect()
    }

    #[test]
    fn every_action_needs_a_role_of_its_port() {
        let of_service =
            |spec: &ActionSpec| matches!(spec.role, StandardRole::ServiceControl | StandardRole::ServiceStatus);
        assert!(SERVICE_ACTIONS.iter().all(of_service) && !ACI_ACTIONS.iter().any(of_service));
    }

    #[test]
    fn others_may_use_the_connector_and_neither_purge_nor_stop_it() {
        let access = Access::default();
        for (ip, table, absent) in [("192.0.2.1", ACI_ACTIONS, "PurgeDatastore"), ("::2", SERVICE_ACTIONS, "Stop")] {
            let allowed = names_allowed(&access, ip, table);
            assert!(!allowed.contains(&absent) && allowed.contains(&"GetStatus"), "{allowed:?}");
            assert_eq!(names_allowed(&access, "127.0.0.1", table).len(), table.len());
        }
    }

    #[test]
    fn a_refusal_says_who_asked_and_which_role_is_missing() {
        let nobody = Role { standard: vec![StandardRole::Query], clients: Vec::new(), ..Role::default() };
        let monitor = Role { actions: vec!["getpid".to_owned()], clients: vec![Client::ThisHost], ..Role::default() };
        let access = Access::new(Roles::new(vec![nobody, monitor]));
        let allowed = names_allowed(&access, "127.0.0.1", ACI_ACTIONS);
        assert!(allowed.contains(&"GetPid") && !allowed.contains(&"GetVersion"), "{allowed:?}");

        let fetch = ACI_ACTIONS.iter().find(|spec| spec.name == "Fetch").expect("it is an action");
        let refused = access.check([127, 0, 0, 1].into(), &[], fetch).expect_err("nobody has the role");
        assert_eq!(refused.code, ErrorCode::Permission);
        assert!(refused.description.starts_with("Fetch needs the role Query, which 127.0.0.1 does not have"));
    }
}
