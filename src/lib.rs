//! A web connector: crawls the sites of a task when a client asks for it, finds what is new, changed and gone,
//! and delivers documents to whoever indexes them. It speaks ACI, the protocol of the IDOL Web Connector.
//!
//! # Map
//!
//! | module | what it is |
//! | --- | --- |
//! | [`cli`] | what a person types |
//! | [`server`] | builds everything, owns the threads, stops them in order; one function per action |
//! | [`config`] | the configuration file: its grammar, and the typed sections |
//! | [`aci`] | the wire: the door, the tiny_http loop, requests, replies |
//! | [`queue`] | asynchronous actions: the status map, its durable copy, the fixed pool of workers |
//! | [`fetchaction`] | what `action=fetch` does |
//! | [`crawl`] | one crawl: frontier, visitors, robots, pages, and the datastore of what a task knows |
//! | [`ingest`] | documents and the targets that take them |
//! | [`action`], [`client`], [`log`], [`pause`], [`roles`], [`sqlite`], [`stop`], [`time`], [`tls`], [`url`], [`wildcard`] | base values and tools, which know no subsystem |
//!
//! Arrows point down only: `server` uses `aci`, `queue`, `fetchaction` and `config`; `fetchaction` uses `crawl` and
//! `ingest`; everything uses the base. Siblings never import each other; they meet as function values that
//! `server` passes. `tests/structure.rs` reads the imports and keeps this true.

pub mod aci;
pub mod action;
pub mod cli;
pub mod client;
pub mod config;
pub mod crawl;
pub mod fetchaction;
pub mod ingest;
pub mod log;
pub mod pause;
pub mod queue;
pub mod roles;
pub mod server;
pub mod sqlite;
pub mod stop;
pub mod time;
pub mod tls;
pub mod url;
pub mod wildcard;
