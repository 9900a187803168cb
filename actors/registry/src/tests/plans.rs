//! Query plans: every statement in the registry's source is planned, and none scans a table that grows with people or time,
//! except those listed here with their reason.

use super::*;

/// Tables whose size depends on the city alone, not on time.
const FIXED: [&str; 13] = [
    "meta",
    "regions",
    "policies",
    "operators",
    "devices",
    "device_regions",
    "device_places",
    "places",
    "past_consents",
    "past_attempts",
    "sqlite_schema",
    "sqlite_sequence",
    "sqlite_master",
];

/// Statements that may scan, by a part of their text, with the reason.
const MAY_SCAN: [(&str, &str); 21] = [
    ("FROM appeals WHERE answered_s IS NULL", "open ones only, by their index"),
    ("SELECT code, good_from_s FROM papers", "once, at start"),
    ("FROM codes LEFT JOIN withdrawals ON code = id WHERE tags = 0", "once, at start, and after a join"),
    ("SELECT mark, good_from_s FROM sign_outs", "once, at start"),
    ("SELECT EXISTS (SELECT 1 FROM people)", "the first row of each, before a gateway joins a fleet"),
    ("SELECT id, id, sealed FROM appeals", "at the first start after an earlier release"),
    ("SELECT id, id, answer FROM appeals", "at the first start after an earlier release"),
    ("SELECT id, code, evidence FROM causes", "at the first start after an earlier release"),
    ("SELECT phone_hash, sealed FROM stays", "at the first start after an earlier release"),
    ("SELECT count(*) FROM codes", "when a city is made up"),
    (
        "FROM codes ORDER BY id",
        "when a city is made up, and when another registry took the place of this one",
    ),
    ("SELECT count(*) FROM people", "asked by tests, and after a gateway has joined a fleet"),
    ("FROM decisions ORDER BY id", "`audit verify`, beside the writer"),
    ("SELECT count(*) FROM nodes", "`audit verify`, beside the writer"),
    ("FROM attempts GROUP BY carrier", "`consents verify`, beside the writer"),
    ("FROM attempts WHERE consent NOT IN", "`consents verify`, beside the writer"),
    ("FROM order_log ORDER BY id", "`audit verify`, and the last entry by its number"),
    ("SET outcome = NULL WHERE outcome IS NOT NULL", "forms of half an hour, when a policy is activated"),
    ("UPDATE stays SET until_s", "when a policy is activated that changes the days"),
    ("FROM staff_sessions ORDER BY id", "a list for an operator"),
    ("FROM units ORDER BY id", "a list for an operator"),
];

#[test]
fn no_statement_of_the_serving_path_goes_through_a_table_that_grows() {
    let (_directory, registry) = fresh();
    let (mut findings, mut planned, mut used) = (Vec::new(), 0, Vec::new());
    for (file, sql) in statements() {
        let plan = plan(&registry.connection, &sql).unwrap_or_else(|error| panic!("{file}: {error}: {sql}"));
        planned += 1;
        let scans = plan.iter().filter_map(|step| step.strip_prefix("SCAN ")).any(|what| {
            let table = what.split(' ').next().unwrap_or_default();
            table != "CONSTANT" && !FIXED.contains(&table)
        });
        match MAY_SCAN.iter().find(|(part, _)| sql.contains(part)) {
            Some((part, _)) => used.push(*part),
            None if scans => findings.push(format!("{file}: {sql}\n    {}", plan.join("\n    "))),
            None => {}
        }
    }
    assert!(planned > 120, "only {planned} statements were found");
    assert!(findings.is_empty(), "{} statements scan:\n{}", findings.len(), findings.join("\n"));
    let unused: Vec<_> = MAY_SCAN.iter().filter(|(part, _)| !used.contains(part)).collect();
    assert!(unused.is_empty(), "no such statement any more: {unused:?}");
}

#[test]
fn open_causes_are_found_by_their_index() {
    let (_directory, registry) = fresh();
    assert_eq!(registry.explain_open(), "SEARCH open USING INDEX causes_open (code>?)");
}

fn plan(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut query = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let mut rows = query.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next()? {
        steps.push(row.get(3)?);
    }
    Ok(steps)
}

/// Returns every statement in the registry's source, with its file.
fn statements() -> Vec<(String, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut folders) = (Vec::new(), vec![source.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let file = path.strip_prefix(&source).unwrap().to_string_lossy().into_owned();
            // The schema's steps run only once.
            let skipped = ["schema/mod.rs", "schema/steps.rs"].contains(&file.as_str());
            if skipped || file.contains("tests") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                found.extend(statements_in(&path).into_iter().map(|sql| (file.clone(), sql)));
            }
        }
    }
    found.sort();
    found
}

fn statements_in(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let served = text.split("#[cfg(test)]").next().unwrap_or_default();
    let (texts, mut found) = (literals(served), Vec::new());
    for (_, text) in &texts {
        let mut sql = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for (name, part) in texts.iter().filter(|(name, _)| !name.is_empty()) {
            sql = sql.replace(&format!("{{{name}}}"), part);
        }
        let is_part = texts.iter().any(|(name, part)| name.ends_with("COLUMNS") && part == text);
        let begins = ["SELECT ", "UPDATE ", "DELETE ", "INSERT "].iter().any(|verb| sql.starts_with(verb));
        if begins && !is_part && !sql.contains('{') {
            found.push(sql);
        }
    }
    found
}

/// Returns the quoted texts, each with the name of its constant.
fn literals(source: &str) -> Vec<(String, String)> {
    let (mut found, mut name) = (Vec::new(), String::new());
    for line in source.split_inclusive('\n') {
        // Comments contain quotes, too.
        if line.trim_start().starts_with("//") {
            name.push('\n');
        } else {
            name.push_str(line);
        }
    }
    let mut rest = name.as_str();
    while let Some((before, after)) = rest.split_once('"') {
        let mut end = 0;
        let mut escaped = false;
        for (at, byte) in after.bytes().enumerate() {
            match byte {
                b'"' if !escaped => {
                    end = at;
                    break;
                }
                _ => escaped = byte == b'\\' && !escaped,
            }
        }
        let constant = before.trim_end().strip_suffix('=').map(str::trim_end);
        let constant = constant.and_then(|text| text.strip_suffix(": &str")).unwrap_or_default();
        let constant = constant.rsplit(' ').next().unwrap_or_default();
        found.push((constant.to_owned(), after[..end].to_owned()));
        rest = &after[end + 1..];
    }
    found
}
