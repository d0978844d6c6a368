//! The token of an action, and the stored form of parameters.

#![no_main]

use libfuzzer_sys::fuzz_target;
use webconnector::action::{FromParam, Params, Token};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let _ = Token::from_param(&text);
    let params = Params::from_form(&text);
    assert_eq!(Params::from_form(&params.to_form()), params);
    let _ = params.masked(|_| true);
});
