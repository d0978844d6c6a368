//! (module html)
