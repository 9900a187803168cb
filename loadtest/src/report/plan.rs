//! What can be run, and what a run would offer.
#![allow(clippy::print_stdout, reason = "this is an output module")]

use crate::plan::Plan;
use crate::scenario::{self, Shipped};

/// Prints every visit of a plan.
///
/// # Errors
/// Standard output is closed.
pub fn print(plan: Plan) -> anyhow::Result<()> {
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
pub fn list(shipped: &[Shipped]) {
    for one in shipped {
        let about = scenario::load(one.name).map(|scenario| scenario.about).unwrap_or_default();
        let name = if one.drill { format!("drill {}", one.name) } else { format!("run {}", one.name) };
        println!("  {name:<28}{about}");
    }
}
