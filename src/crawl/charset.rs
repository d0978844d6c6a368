//! (module charset)
