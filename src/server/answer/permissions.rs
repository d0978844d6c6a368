//! `ShowPermissions`: whether an address may use the ports, and, to those who may see them, the rules that decide.

use super::Answers;
use crate::aci::{Caller, Element, Origins};
use crate::roles::{Client, StandardRole};
use std::net::IpAddr;

/// The roles by the names that the reference's answer gives them.
const ROLES: [(&str, StandardRole); 4] = [
    ("autn:queryclient", StandardRole::Query),
    ("autn:adminclient", StandardRole::Admin),
    ("autn:servicestatusclient", StandardRole::ServiceStatus),
    ("autn:servicecontrolclient", StandardRole::ServiceControl),
];

/// What it tells of ports and proxies that a connector has not: nobody may use them (aci.md 5.1).
const OTHERS: [&str; 3] = ["autn:allowedproxy", "autn:indexclient", "autn:allowedindexproxy"];

impl Answers {
    /// About the address `ip`, or about the caller with its certificate. An administrator is also told the rules,
    /// which name other hosts.
    pub(super) fn permissions(&self, ip: Option<&str>, caller: &Caller, origins: &Origins) -> Vec<Element> {
        let mut elements = Vec::new();
        if self.access.has(caller.peer, &caller.names, StandardRole::Admin) {
            elements.push(Element::parent("autn:rules", self.rules()));
        }
        let asked = ip.map_or(Ok(caller.peer), str::parse::<IpAddr>).ok().map(|ip| ip.to_canonical());
        let names = if ip.is_none() { &caller.names[..] } else { &[] };
        let mut requested = vec![
            Element::text("autn:ip", ip.map_or_else(|| caller.peer.to_string(), str::to_owned)),
            truth("autn:ipvalid", asked.is_some()),
        ];
        for (element, standard) in ROLES {
            requested.push(truth(element, asked.is_some_and(|ip| self.access.has(ip, names, standard))));
        }
        requested.extend(OTHERS.map(|element| truth(element, false)));
        requested.push(cors(origins));
        elements.push(Element::parent("autn:requested", requested));
        elements
    }

    fn rules(&self) -> Vec<Element> {
        let mut rules = Vec::new();
        for (element, standard) in ROLES {
            let mut children = Vec::new();
            for role in self.access.roles().holding(standard) {
                for client in &role.clients {
                    // As the reference writes what is connected over loopback.
                    match client {
                        Client::ThisHost => {
                            children.extend(["::1", "127.0.0.1"].map(|ip| Element::text("autn:origin", ip)));
                        }
                        client => children.push(Element::value("autn:origin", client)),
                    }
                }
                children.extend(role.identities.iter().map(|identity| Element::value("autn:sslidentity", identity)));
            }
            children.insert(0, truth("autn:enabled", !children.is_empty()));
            rules.push(Element::parent(element, children));
        }
        rules.extend(OTHERS.map(|element| Element::parent(element, vec![truth("autn:enabled", false)])));
        rules
    }
}

fn cors(origins: &Origins) -> Element {
    let origins = match origins {
        Origins::All => vec![Element::text("autn:origin", "*")],
        Origins::Listed(listed) => listed.iter().map(|origin| Element::text("autn:origin", origin.clone())).collect(),
    };
    let mut children = vec![truth("autn:enabled", !origins.is_empty())];
    children.extend(origins);
    Element::parent("autn:cors", children)
}

fn truth(name: &'static str, value: bool) -> Element {
    Element::value(name, value)
}
