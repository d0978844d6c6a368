//! Which values others may see: in `GetRequestLog`, `GetActionParameters`, `GetConfig` and `Diagnostic`.
//!
//! A value is shown if its parameter is in one of our tables and holds no secret (`action::masked`). What is misspelt may be a
//! password, and so may be what is meant for another program.

use crate::{aci, config, fetchaction};

/// Whether `name`, without a section, is a parameter of an action, a task or the server, or the number of an item in a list.
pub(super) fn is_known(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit())
        || aci::is_parameter(name)
        || fetchaction::is_parameter(name)
        || config::is_parameter(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::is_secret;

    #[test]
    fn of_what_is_known_the_secrets_are_these() {
        let tasks = fetchaction::PARAMETERS.iter().map(|parameter| parameter.name);
        let server = config::PARAMETERS.iter().chain(config::HANDLER_PARAMETERS).map(|spec| spec.name);
        let actions = aci::ACI_ACTIONS.iter().chain(aci::SERVICE_ACTIONS);
        let actions = actions.flat_map(|action| action.params).chain(aci::STANDARD_PARAMS).map(|param| param.name);
        let names: Vec<&str> = tasks.chain(server).chain(actions).collect();
        assert!(names.iter().all(|name| is_known(name)));
        let mut secrets: Vec<&str> = names.into_iter().filter(|name| is_secret(name)).collect();
        secrets.sort_unstable();
        secrets.dedup();
        assert_eq!(
            secrets,
            [
                "AuthPassword",
                "BasicPassword",
                "Cookie",
                "CookieFile",
                "Cookies",
                "Header",
                "InputValue",
                "ProxyPassword",
                "Token",
            ]
        );
        for name in ["AuthPasswort", "Passwrod", "Pwd", "", "favicon.ico"] {
            assert_eq!(is_known(name), name.is_empty(), "{name}");
        }
    }
}
