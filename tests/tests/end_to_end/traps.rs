//! Known mistakes of such systems, and the tests that catch each: a table of names, which fails if one is renamed, and here
//! the one that needs sockets.

use std::collections::BTreeSet;

use device::DeviceError;
use protocol::{Advice, ErrorCode, Scanned};
use tests::repository::read;
use tests::walk::{device, endpoint};
use tests::{City, block_on};

/// A mistake, and the tests that would catch it: file and function.
type Trap = (&'static str, &'static [(&'static str, &'static str)]);

const POLICY: &str = "actors/policy/src/tests.rs";
const REGISTRAR: &str = "actors/src/registrar/tests/mod.rs";
const TRAPS: &str = "actors/src/registrar/tests/traps.rs";
const SIGN_IN: &str = "actors/src/registrar/tests/signin.rs";
const GROUPS: &str = "actors/src/registrar/group_tests/mod.rs";
const ANSWERS: &str = "actors/src/carrier/answer/tests.rs";
const FLOWS: &str = "tests/tests/end_to_end/devices/flows.rs";
const CANARY: &str = "tests/tests/end_to_end/canary.rs";

const MEANING: [Trap; 9] = [
    (
        "timeout or new SIM taken for No",
        &[
            (POLICY, "no_answer_is_never_a_no"),
            (POLICY, "every_row_of_the_outcome_table"),
            (ANSWERS, "an_answer_that_cannot_be_right_is_an_error_and_never_no_history"),
            (
                "actors/src/carrier/tests/flow.rs",
                "a_carrier_without_an_answer_is_never_taken_for_not_a_subscriber",
            ),
            ("gateway/src/trajectory.rs", "no_answer_is_never_told_as_no"),
            (FLOWS, "a_failing_carrier_is_never_a_no_and_the_others_answer"),
        ],
    ),
    (
        "the carrier card's own colour taken for the code's colour",
        &[(ANSWERS, "the_carrier_cards_own_colour_is_not_the_codes_colour")],
    ),
    (
        "UTC or today-inclusive windows",
        &[
            (TRAPS, "the_window_follows_the_citys_days_not_utcs_and_never_holds_today"),
            (POLICY, "the_window_is_fourteen_days_that_end_yesterday"),
            ("actors/policy/src/trajectory.rs", "a_day_begins_at_midnight_in_china_whatever_the_season"),
        ],
    ),
    (
        "one border-cell city turning someone red with no way back",
        &[
            (TRAPS, "a_border_cell_turns_nobody_red_and_who_is_red_has_a_way_back"),
            (POLICY, "a_stay_counts_from_four_hours_on_days_of_the_window"),
        ],
    ),
    (
        "last write wins on colour",
        &[
            (TRAPS, "the_last_write_does_not_win_on_colour"),
            (REGISTRAR, "clearing_one_cause_leaves_the_others_and_only_its_authority_may"),
        ],
    ),
    (
        "late, older evidence overwriting newer",
        &[
            (TRAPS, "late_older_evidence_never_overwrites_newer"),
            (REGISTRAR, "a_late_older_answer_does_not_overwrite_a_newer_one"),
        ],
    ),
    (
        "reversion missed or doubled during downtime",
        &[
            (REGISTRAR, "green_comes_back_by_the_clock_once_also_after_a_downtime"),
            ("actors/registry/src/tests/mod.rs", "causes_end_by_the_clock_durably_and_then_in_memory"),
        ],
    ),
    (
        "a colour number whose zero means something",
        &[
            (TRAPS, "a_zero_is_never_a_colour_and_opens_no_gate"),
            ("protocol/tests/decoder.rs", "zero_is_no_value_of_any_number_on_the_wire"),
        ],
    ),
    (
        "green restored more slowly than red is set",
        &[
            (GROUPS, "green_comes_back_as_fast_as_red_is_set"),
            (GROUPS, "green_comes_back_by_the_clock_without_being_asked"),
        ],
    ),
];

const PRIVACY: [Trap; 6] = [
    (
        "phone numbers in logs, metric labels, panics, URLs",
        &[
            (CANARY, "no_phone_document_or_name_is_in_anything_that_is_written_said_or_kept"),
            ("gateway/src/telemetry/mod.rs", "a_panic_is_logged_by_its_place_and_not_by_its_words"),
            // The number is in the body of a POST; the address is always the same.
            ("actors/src/carrier/tests/flow.rs", "a_query_is_signed_and_says_what_the_interface_asks_for"),
            ("actors/src/carrier/tests/flow.rs", "what_holds_a_number_or_a_secret_does_not_show_it"),
            (REGISTRAR, "nothing_personal_is_in_the_files_or_the_errors"),
        ],
    ),
    (
        "plain or salted hashes of an 11-digit number",
        &[
            (TRAPS, "no_hash_in_the_files_can_be_made_without_the_key"),
            ("actors/src/sms/tests.rs", "the_hash_of_a_phone_cannot_be_made_without_the_key"),
            ("actors/src/carrier/route/tests.rs", "a_number_is_kept_under_a_key_of_this_process"),
        ],
    ),
    (
        "look-up by name and ID number that shows another person's data",
        &[
            (SIGN_IN, "a_name_and_a_document_show_nobody_elses_data"),
            (SIGN_IN, "a_recycled_number_never_opens_another_persons_code"),
            (REGISTRAR, "somebody_elses_document_opens_and_changes_nothing"),
        ],
    ),
    (
        "the place id doubling as a key",
        &[
            ("tests/tests/end_to_end/traps.rs", "a_places_number_and_its_link_open_nothing"),
            ("actors/registry/src/tests/mod.rs", "a_places_number_is_neither_its_link_nor_a_key"),
        ],
    ),
    (
        "consent for one query used for another",
        &[
            (REGISTRAR, "a_consent_is_one_query_of_one_phone_and_nothing_else"),
            (REGISTRAR, "a_query_from_a_punch_page_changes_no_colour_now_or_later"),
            (
                "tests/tests/end_to_end/devices/trajectory_quic.rs",
                "a_receipt_is_good_once_in_its_time_and_in_the_devices_region",
            ),
        ],
    ),
    (
        "one retention clock for everything",
        &[
            (TRAPS, "each_kind_of_record_is_forgotten_by_its_own_clock"),
            (GROUPS, "answers_whose_time_is_over_are_forgotten_without_another_query"),
            ("actors/ledger/src/tests.rs", "what_is_older_than_the_retention_is_forgotten_with_its_key"),
        ],
    ),
];

#[test]
fn each_trap_of_meaning_and_privacy_has_a_test_that_exists() {
    let mut missing = Vec::new();
    let mut used = BTreeSet::new();
    for (trap, tests) in MEANING.iter().chain(&PRIVACY) {
        assert!(!tests.is_empty(), "{trap}");
        for &(file, function) in *tests {
            let text = read(file);
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            let starts = format!("fn {function}(");
            let is_test = lines.windows(2).any(|pair| pair[0] == "#[test]" && pair[1].starts_with(&starts));
            if !is_test {
                missing.push(format!("{trap}: no test {function} in {file}"));
            }
            assert!(used.insert((file, function)), "{function} stands for two traps");
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// A place's number, or the link at its door, gives no look-up of people there and no rights of its devices, and is
/// no pass code.
#[test]
fn a_places_number_and_its_link_open_nothing() {
    let city = City::start(100, 40);
    let key = city.data().join("health.key").display().to_string();
    let add = ["operator", "add", "zhao-min", "--authority", "cdc", "--role", "health"];
    let public_key = tests::operator_key("zhao-min", &key);
    let add = [&add[..], &["--public-key", &public_key]].concat();
    let (status, out, err) = city.signed(2, &add);
    assert!(status.success(), "{out}{err}");
    let fleet = city.fleet();
    let (own, own_region) = fleet.devices[20].places().next().expect("a place");
    let mut places = fleet.devices.iter().flat_map(|device| device.places().collect::<Vec<_>>());
    let (other, other_region) = places.find(|&(_, region)| region != own_region).expect("another region");
    let today = policy::trajectory::day_of(runtime::clock::now_s());
    let (from, to) = (format!("{today}T00:00"), format!("{today}T12:00"));
    let place = own.0.to_string();
    let who =
        ["punches", "who", "--place", &place, "--from", &from, "--to", &to, "--case", "C-1", "--sign", &key];
    let (status, _, err) = city.command(&who);
    assert!(status.code() == Some(2) && err.contains("with the role records"), "{err}");
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut gate = device(&endpoint, &fleet, 20);
        let link = format!("https://code.example/p/{:010}", own.0);
        let scans = [place.clone(), link, other.0.to_string()].map(Scanned::Text);
        for verdict in gate.verify(own_region, scans.to_vec()).await.expect("verdicts") {
            assert_eq!(verdict.advice, Advice::NotAPassCode);
        }
        match gate.verify(other_region, vec![Scanned::Nothing]).await {
            Err(DeviceError::Refused { code, .. }) => {
                assert_eq!(ErrorCode::from_number(code), Some(ErrorCode::RegionDenied));
            }
            other => panic!("{other:?}"),
        }
    });
}
