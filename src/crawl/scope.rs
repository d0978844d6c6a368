//! (module scope)
