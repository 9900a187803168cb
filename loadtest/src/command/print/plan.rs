//! The list of scenarios, and the plan of a run.

use std::io::ErrorKind;

use crate::out::say;
use crate::scenario::plan::Plan;
use crate::scenario::{self, Shipped};

/// Prints every visit of a plan; stops when the output is closed.
///
/// # Errors
/// The output cannot be written.
pub(crate) fn print(plan: Plan) -> anyhow::Result<()> {
    match write(plan) {
        Err(error) if matches!(error.kind(), csv::ErrorKind::Io(io) if io.kind() == ErrorKind::BrokenPipe) => {
            Ok(())
        }
        written => Ok(written?),
    }
}

fn write(plan: Plan) -> csv::Result<()> {
    let mut out = csv::Writer::from_writer(std::io::stdout().lock());
    out.write_record(["at_ns", "stage", "kind", "post", "person", "luck"])?;
    for visit in plan {
        let numbers = [u128::from(visit.stage), u128::from(visit.post), u128::from(visit.person)];
        let [stage, post, person] = numbers.map(|number| number.to_string());
        let (at, luck) = (visit.at.as_nanos().to_string(), visit.luck.to_string());
        out.write_record([&*at, &*stage, visit.kind.name(), &*post, &*person, &*luck])?;
    }
    out.flush()?;
    Ok(())
}

/// Prints the scenarios that come with the program.
///
/// # Errors
/// One of them is malformed.
pub(crate) fn list(shipped: &[Shipped], json: bool) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for one in shipped {
        let (command, about) = (if one.drill { "drill" } else { "run" }, scenario::load(one.name)?.about);
        if json {
            rows.push(serde_json::json!({ "command": command, "name": one.name, "about": about }));
        } else {
            say!("  {:<28}{about}", format!("{command} {}", one.name));
        }
    }
    if json {
        say!("{}", serde_json::Value::from(rows));
    }
    Ok(())
}
