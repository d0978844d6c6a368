//! A restart without the end of the process: whether it would succeed, and the configuration that comes after it.

use crate::config::Config;
use std::net::{SocketAddr, TcpListener};

/// The ports that are in use.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    pub aci: SocketAddr,
    pub service: SocketAddr,
}

/// The configuration with which a server that has these `ports` starts again: that of the file as it is now. Where the file
/// leaves a port to the system, it stays what it is, as that is where clients know it.
pub fn next_config(config: &Config, ports: Ports) -> Result<Config, String> {
    let mut next = match &config.path {
        Some(path) => Config::load(path).map_err(|error| error.to_string())?,
        None => config.clone(),
    };
    for (port, taken) in [(&mut next.server.port, ports.aci), (&mut next.service.port, ports.service)] {
        if *port == 0 {
            *port = taken.port();
        }
    }
    Ok(next)
}

/// Says why a restart would fail, as far as that can be known before: a configuration that cannot be used, or a port that
/// somebody else has.
pub(super) fn check(config: &Config, ports: Ports) -> Result<(), String> {
    let next = next_config(config, ports)?;
    let wanted = [
        ("[Server] Port", &next.server.host, next.server.port),
        ("[Service] ServicePort", &next.service.host, next.service.port),
    ];
    let own = [ports.aci.port(), ports.service.port()];
    for (name, host, port) in wanted.into_iter().filter(|(.., port)| !own.contains(port)) {
        TcpListener::bind((host.as_str(), port))
            .map_err(|error| format!("{name}: {host}:{port} cannot be listened on: {error}"))?;
    }
    if next.server.port == next.service.port {
        return Err(format!("[Server] Port and [Service] ServicePort are both {}", next.server.port));
    }
    Ok(())
}
