//! Any bytes to the reader that the environment names in `FUZZ_TARGET`; `run` sets it. The readers are `actors::fuzz`.
#![no_main]

use std::sync::LazyLock;

static TARGET: LazyLock<String> = LazyLock::new(|| std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target"));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| actors::fuzz::read(&TARGET, bytes));
