//! What micro-benchmarks may reach of the wire beside what is public. Only with the feature `micro`.

use super::render::{Format, render};
use super::reply::Reply;
use crate::action::FromParam as _;

/// A reply in the `ResponseFormat` of this name, or else in XML.
pub fn render_reply(reply: &Reply, format: &str) -> Vec<u8> {
    render(reply, Format::from_param(format).unwrap_or_default())
}
