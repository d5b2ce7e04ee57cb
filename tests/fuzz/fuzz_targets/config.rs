//! The configuration file: any text gives a configuration or mistakes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::config::{Environment, parse};

fuzz_target!(|text: &str| {
    if let Err(error) = parse(text, "fuzz.yaml", &Environment::default()) {
        assert!(!error.to_string().is_empty());
    }
});
