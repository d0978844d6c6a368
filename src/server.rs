//! (module server)
