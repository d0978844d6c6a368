//! (module aci)
