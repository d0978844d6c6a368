//! (module url)
