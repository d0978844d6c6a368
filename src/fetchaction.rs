//! (module fetchaction)
