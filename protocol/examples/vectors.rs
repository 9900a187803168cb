//! Writes the golden vectors in `protocol/vectors/` anew. Run it after adding a frame or a number, and look at the change:
//! a line that changes, rather than being added, breaks devices in the field.

#[path = "../tests/support/mod.rs"]
mod support;

fn main() -> std::io::Result<()> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    for (name, value) in support::files() {
        std::fs::write(folder.join(name), format!("{value:#}\n"))?;
    }
    Ok(())
}
