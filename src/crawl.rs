//! One crawl.

pub mod charset;
pub mod html;
pub mod page;
pub mod robots;
pub mod scope;
