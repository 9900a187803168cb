//! Tables at a desk: empty ones for a spreadsheet, and small ones that are read before anything is ordered.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use actors::table::{self, BadRow, Column, Form};
use anyhow::{Context, bail};

use crate::out::{self, say};

/// Writes the table to a file that is not there yet.
pub(crate) fn write(form: Form, file: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let doing = || format!("making {}", file.display());
    let mut made = std::fs::File::create_new(file).with_context(doing)?;
    made.write_all(form.template().as_bytes()).with_context(doing)?;
    if json {
        let column = |column: &Column| serde_json::json!({ "name": column.name, "name_zh": column.chinese, "holds": column.holds });
        let columns: Vec<_> = form.0.iter().map(column).collect();
        say!("{}", serde_json::json!({ "template": file, "columns": columns }));
        return Ok(ExitCode::SUCCESS);
    }
    say!("{} is an empty table; its columns, in any order, under either title:", file.display());
    out::text(&form.explained());
    say!("Save it as CSV, in UTF-8 or as Excel does.");
    Ok(ExitCode::SUCCESS)
}

/// Reads a table that is ordered as a whole: `row` makes something of each line's fields, and an error names every line that is wrong.
pub(crate) fn read<T>(
    form: Form,
    path: &Path,
    row: impl Fn(u64, &[String]) -> anyhow::Result<T>,
) -> anyhow::Result<Vec<T>> {
    let doing = || format!("reading {}", path.display());
    let table = table::read(form, std::fs::File::open(path).with_context(doing)?).with_context(doing)?;
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for (line, fields) in table.rows {
        let read =
            fields.map_err(BadRow::name).map_err(anyhow::Error::msg).and_then(|fields| row(line, &fields));
        match read {
            Ok(read) => rows.push(read),
            Err(error) => wrong.push((line, format!("{error:#}"))),
        }
    }
    if !wrong.is_empty() {
        return Err(self::wrong(path, &wrong));
    }
    if rows.is_empty() {
        bail!("{} has titles and no lines", path.display());
    }
    Ok(rows)
}

/// Names every line that is wrong.
pub(crate) fn wrong(path: &Path, lines: &[(u64, String)]) -> anyhow::Error {
    let lines: Vec<_> = lines.iter().map(|(line, why)| format!("{}:{line}: {why}", path.display())).collect();
    anyhow::anyhow!("nothing is done, because lines are wrong:\n{}", lines.join("\n"))
}
