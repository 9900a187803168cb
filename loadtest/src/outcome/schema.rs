//! The JSON schema of the report, made from its types. The file `report.schema.json` is its checked-in copy for programs that read
//! reports; a test compares the two.

use schemars::schema_for;
use serde_json::{Value, json};

use super::Report;

/// Maps whose keys are kinds: the derived schema allows any text as a key.
const BY_KIND: [&str; 3] =
    ["/properties/total", "/$defs/StageReport/properties/kinds", "/$defs/PointReport/properties/kinds"];

/// Returns the schema of [`Report`], draft 2020-12.
pub fn schema() -> Value {
    let mut schema = Value::from(schema_for!(Report));
    for path in BY_KIND {
        let map = schema.pointer_mut(path).expect("the report has these maps");
        map["propertyNames"] = json!({ "$ref": "#/$defs/Kind" });
    }
    schema["title"] = "Report of a run of Changtong Gateway's load test".into();
    schema
}

/// Returns the schema as the text of the checked-in file.
pub fn text() -> String {
    let text = serde_json::to_string_pretty(&schema()).expect("a schema has text keys only");
    format!("{text}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_the_types() {
        let file = include_str!("../../report.schema.json");
        assert!(
            file == text(),
            "the report's types and loadtest/report.schema.json differ; write it anew with \
             `cargo run -p loadtest -- schema > loadtest/report.schema.json`"
        );
    }
}
