//! The table of bounds, written from the rows from which the program takes its numbers.

use actors::bounds::{ALL, Bound};

const HEAD: &str = "# Bounds

Written by `cargo run -p dashboards -- bounds` from `actors/src/bounds/mod.rs`: change it there. What one citizen, one phone, one address may have of what all share. A number in
a time is an allowance that is whole at first and comes back evenly; a number at once is how many there may be. `changtong_limited_total` counts by name what was asked for beyond,
`changtong_bound_entries` how many entries a table has.

| name | what | per | how many | beyond | why so many |
|---|---|---|---|---|---|
";

/// Returns the file's text.
pub(crate) fn text() -> String {
    let rows = ALL.iter().map(|bound| {
        let Bound { name, what, per, beyond, why, .. } = bound;
        format!("| `{name}` | {what} | {per} | {} | {beyond} | {why} |\n", how_many(bound))
    });
    HEAD.to_owned() + &rows.collect::<String>()
}

fn how_many(bound: &Bound) -> String {
    let max = bound.max;
    match bound.within_s {
        0 => format!("{max} at once"),
        1 => format!("{max} a second"),
        60 => format!("{max} a minute"),
        3_600 => format!("{max} an hour"),
        86_400 => format!("{max} a day"),
        within_s if within_s % 60 == 0 => format!("{max} in {} minutes", within_s / 60),
        within_s => format!("{max} in {within_s} seconds"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_is_checked_in_is_what_the_code_goes_by() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway/BOUNDS.md");
        let there = std::fs::read_to_string(path).unwrap_or_default();
        assert!(there == text(), "run `cargo run -p dashboards -- bounds` and look at what has changed");
    }
}
