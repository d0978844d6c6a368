//! (module robots)
