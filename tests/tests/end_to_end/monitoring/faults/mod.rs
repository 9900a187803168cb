//! Each alert's own expression, made true by its fault in the real system: a gateway, a real Prometheus with the real
//! rules, and no alert before the fault. The tests do not wait for the rule's duration: once the alert is pending, its
//! expression is true. The rules' own tests cover hours.

mod actors;
mod carriers;
mod clocks;
mod disk;
mod fleet;
mod gateway;
mod people;
mod registry;
mod scene;

use std::collections::BTreeSet;

use scene::{Group, play};
use tests::repository::read;

/// Alerts that no fault makes true in the system as it is built, and why.
const NOT_HERE: [(&str, &str); 1] = [(
    "DiskFilling/ticket",
    "a forecast wants a whole day of data, and no test lasts that long: its cases are in the rules' own tests",
)];

/// The choice of all faults, as the runner of long tests says, or only some that are cheap.
const ALL: bool = option_env!("CHANGTONG_ALL_FAULTS").is_some();

/// The faults of a gateway that is in no fleet.
const OF_A_CITY: [&[Group]; 7] = [
    gateway::GROUPS,
    disk::GROUPS,
    registry::GROUPS,
    actors::GROUPS,
    carriers::GROUPS,
    people::GROUPS,
    clocks::GROUPS,
];

/// Returns the names of the alerts that these groups make true.
fn made_by<C>(groups: &[Group<C>]) -> impl Iterator<Item = String> {
    let rows = groups.iter().flat_map(|group| group.rows);
    rows.flat_map(|row| row.alerts).map(|(id, _)| (*id).to_owned())
}

#[test]
fn every_alert_has_its_fault_or_a_reason_why_not() {
    let mut listed: Vec<String> = NOT_HERE.iter().map(|(id, _)| (*id).to_owned()).collect();
    listed.extend(OF_A_CITY.into_iter().flat_map(made_by));
    listed.extend(made_by(fleet::GROUPS));
    let once: BTreeSet<String> = listed.iter().cloned().collect();
    let both = NOT_HERE.iter().filter(|(id, _)| listed.iter().filter(|one| one == id).count() > 1);
    assert_eq!(both.count(), 0, "made true after all: {listed:?}");
    let difference: Vec<_> = once.symmetric_difference(&of_the_rules()).cloned().collect();
    assert!(difference.is_empty(), "only in the rules or only here: {difference:?}");
}

/// Returns every alert of the rules' file, named as Prometheus's API is read.
fn of_the_rules() -> BTreeSet<String> {
    let (mut ids, mut name) = (BTreeSet::new(), "");
    let rules = read("dashboards/rules/changtong.yml");
    for line in rules.lines().map(str::trim) {
        name = line.strip_prefix("- alert: Changtong").unwrap_or(name);
        if let Some(labels) = line.strip_prefix("labels: {severity: ") {
            let labels = labels.trim_end_matches('}');
            let which = labels.split_once(", window: ").map_or(labels, |(_, window)| window);
            assert!(ids.insert(format!("{name}/{which}")), "{name}/{which} is there twice");
        }
    }
    ids
}

#[test]
fn faults_of_the_process_are_told() {
    play(gateway::GROUPS, ALL);
}

#[test]
fn faults_of_the_clock_are_told() {
    play(clocks::GROUPS, ALL);
}

#[test]
fn faults_of_the_disk_are_told() {
    play(disk::GROUPS, ALL);
}

#[test]
fn faults_of_a_fleet_are_told() {
    play(fleet::GROUPS, ALL);
}

#[test]
fn faults_of_the_registry_are_told() {
    play(registry::GROUPS, ALL);
}

#[test]
fn faults_of_the_program_are_told() {
    play(actors::GROUPS, ALL);
}

#[test]
fn faults_of_carriers_are_told() {
    play(carriers::GROUPS, ALL);
}

#[test]
fn what_operators_do_and_leave_is_told() {
    play(people::GROUPS, ALL);
}
