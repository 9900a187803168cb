//! Operators' own keys, made with the program as their owners make them.

use std::process::Command;

use crate::binary;

/// Makes an operator's key at that path, and returns its public half.
pub fn operator_key(name: &str, path: &str) -> String {
    let output = Command::new(binary()).args(["operator", "key", name, "--out", path]).output();
    let output = output.expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
