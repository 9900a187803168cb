//! Breaches that an export shows, one at a time, and malformed exports.

use super::*;

const HEADER: &str = "lsn,device,epoch,sequence,region,place,direction,kind,code,device_time_ms,received_ms,offline,colour,advice,basis,reason\n";

fn claims(acknowledged: usize, sent: u64) -> Claims {
    let fact = Fact {
        region: RegionId(1),
        place: PlaceId(2),
        direction: Direction::In,
        kind: Some("token"),
        code: CodeId::from_u64(9),
        device_time_ms: 5,
        received_ms: 6,
        offline: false,
        verdict: Verdict::ask_staff(Reason::NotLoaded),
    };
    let claim = Claim { acknowledged: vec![fact; acknowledged], sent };
    Claims(HashMap::from([((DeviceId(1), Epoch(1)), claim)]))
}

fn row(device: u64, sequence: u64, place: u32) -> String {
    format!("1,{device},1,{sequence},1,{place},in,token,9,5,6,false,unknown,ask-staff,nothing,not-loaded\n")
}

#[test]
fn each_breach_is_counted_as_what_it_is() {
    let kept = Proof { acknowledged: 2, recorded: 2, ..Proof::default() };
    for (rows, expected) in [
        (vec![(1, 1, 2), (1, 2, 2)], kept),
        (vec![(7, 1, 2), (1, 1, 2), (1, 2, 2)], kept),
        (vec![(1, 1, 2), (1, 2, 2), (1, 3, 2)], Proof { recorded: 3, unacknowledged: 1, ..kept }),
        (vec![(1, 1, 2)], Proof { recorded: 1, lost: 1, ..kept }),
        (vec![], Proof { recorded: 0, lost: 2, ..kept }),
        (vec![(1, 1, 2), (1, 2, 2), (1, 1, 2)], Proof { recorded: 3, doubled: 1, ..kept }),
        (vec![(1, 2, 2), (1, 1, 2)], Proof { disordered: 1, ..kept }),
        (vec![(1, 1, 2), (1, 2, 3)], Proof { altered: 1, ..kept }),
        (vec![(1, 1, 2), (1, 2, 2), (1, 4, 2)], Proof { recorded: 3, invented: 1, ..kept }),
        (vec![(1, 1, 2), (1, 2, 2), (1, 0, 2)], Proof { recorded: 3, invented: 1, ..kept }),
    ] {
        let body: String =
            rows.iter().map(|&(device, sequence, place)| row(device, sequence, place)).collect();
        let proof = check(&claims(2, 3), format!("{HEADER}{body}").as_bytes()).unwrap();
        assert_eq!(proof, expected, "{rows:?}");
        let breaches =
            expected.lost + expected.doubled + expected.disordered + expected.altered + expected.invented;
        assert_eq!(proof.holds(), breaches == 0);
    }
}

#[test]
fn every_column_of_a_punch_is_compared() {
    let sound = row(1, 1, 2);
    for (from, to) in [
        (",in,", ",out,"),
        (",token,", ",legacy,"),
        (",9,", ",8,"),
        (",5,6,", ",7,6,"),
        (",5,6,", ",5,17,"),
        (",5,6,", ",5,5,"),
        (",false,", ",true,"),
        (",unknown,", ",green,"),
        (",ask-staff,", ",pass,"),
        (",nothing,", ",declared,"),
        (",not-loaded", ",clear"),
    ] {
        let altered = sound.replace(from, to);
        assert_ne!(altered, sound);
        let proof = check(&claims(1, 1), format!("{HEADER}{altered}").as_bytes()).unwrap();
        assert_eq!((proof.altered, proof.holds()), (1, false), "{altered}");
    }
}

#[test]
fn an_export_that_is_none_proves_nothing() {
    for export in [
        "",
        "lsn,device\n1,2\n",
        &format!("{HEADER}1,x,1,1,1,2,in,token,9,5,6,false,unknown,ask-staff,nothing,not-loaded\n"),
        &format!("{HEADER}1,1,1,1\n"),
    ] {
        assert!(check(&claims(1, 1), export.as_bytes()).is_err(), "{export}");
    }
}

#[test]
fn of_several_logs_each_punch_is_in_one_at_least_and_in_each_once() {
    let kept = Proof { acknowledged: 2, recorded: 2, ..Proof::default() };
    let later = |sequence| row(1, sequence, 2).replace(",5,6,", ",5,90,");
    for (logs, expected) in [
        ([row(1, 1, 2), row(1, 2, 2)], kept),
        ([row(1, 1, 2) + &row(1, 2, 2), row(1, 2, 2)], kept),
        ([row(1, 1, 2) + &later(2), row(1, 2, 2)], kept),
        ([row(1, 1, 2) + &later(2), String::new()], Proof { altered: 1, ..kept }),
        (
            [row(1, 1, 2) + &row(1, 2, 2), row(1, 2, 2).replace(",9,5,6,", ",8,5,6,")],
            Proof { altered: 1, ..kept },
        ),
        ([row(1, 1, 2), row(7, 2, 2)], Proof { recorded: 1, lost: 1, ..kept }),
        ([row(1, 1, 2) + &row(1, 1, 2), row(1, 2, 2)], Proof { doubled: 1, ..kept }),
        ([row(1, 2, 2) + &row(1, 1, 2), String::new()], Proof { disordered: 1, ..kept }),
        ([row(1, 1, 2) + &row(1, 2, 2), row(1, 3, 2)], Proof { recorded: 3, unacknowledged: 1, ..kept }),
        ([row(1, 1, 2) + &row(1, 2, 2), row(1, 4, 2)], Proof { recorded: 3, invented: 1, ..kept }),
    ] {
        let exports = logs.iter().map(|rows| format!("{HEADER}{rows}")).collect::<Vec<_>>();
        let proof = check_all(&claims(2, 3), exports.iter().map(String::as_bytes)).unwrap();
        assert_eq!(proof, expected, "{logs:?}");
    }
}
