//! The order that lists the open appeals.

use registry::AppealRow;
use registry::lookups::{Lookup, Subjects};
use registry::operator::Role;
use serde::{Deserialize, Serialize};

use crate::operator::OperatorContext;
use crate::operator::orders::{Given, Order, Tell, day};
use crate::out::say;

/// The list of open appeals that went to the operators' authority. Reading people's words is an access.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListAppeals {}

/// An open appeal.
#[derive(Serialize, Deserialize)]
pub(crate) struct AppealLine {
    appeal: i64,
    decision: i64,
    made_s: u64,
    due_s: u64,
    text: String,
}

impl Order for ListAppeals {
    const NAME: &'static str = "list-appeals";
    const REPLY: &'static str = "appeals";
    const ROLE: Role = Role::Health;
    type Reply = Vec<AppealLine>;

    fn operators(&self, _: &OperatorContext) -> anyhow::Result<usize> {
        Ok(1)
    }

    fn perform(self, given: Given<'_>, _: &mut Tell<'_>) -> anyhow::Result<Vec<AppealLine>> {
        let open = given.context.read(|registry| Ok(registry.open_appeals(&given.by.authority)?))?;
        let ids = open.iter().map(|appeal| appeal.id).collect();
        given.record(Lookup::Appeals, "appeals", Subjects::Appeals(ids))?;
        Ok(open.into_iter().map(Into::into).collect())
    }

    fn show(appeals: &Vec<AppealLine>) -> anyhow::Result<()> {
        say!("{} open", appeals.len());
        for line in appeals {
            let (made, due) = (day(line.made_s), day(line.due_s));
            say!("  appeal {:<6}decision {:<6}made {made}, due {due}", line.appeal, line.decision);
            line.text.lines().for_each(|text| say!("    {text}"));
        }
        Ok(())
    }
}

impl From<AppealRow> for AppealLine {
    fn from(row: AppealRow) -> Self {
        let AppealRow { id, decision, made_s, due_s, text, .. } = row;
        Self { appeal: id, decision, made_s, due_s, text }
    }
}
