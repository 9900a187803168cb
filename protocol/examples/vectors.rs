//! Regenerates the golden vectors in `protocol/vectors/`. Run it after adding a frame or a number, and review the difference:
//! a changed line, unlike an added one, can break deployed devices.

#[path = "../tests/support/mod.rs"]
mod support;

fn main() -> std::io::Result<()> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    for (name, value) in support::files() {
        std::fs::write(folder.join(name), format!("{value:#}\n"))?;
    }
    Ok(())
}
