//! Decisions on record: a receipt proves one, and a changed one is named.

use super::*;

#[test]
fn decisions_are_proven_and_a_changed_one_is_named() {
    let mut bench = Bench::new();
    let (pkcs8, public) = (bench.keys.signing_pkcs8().to_vec(), bench.keys.signing_public());
    for n in 1..=5 {
        bench.submit(&form(n, Some(n % 2 == 0), None), now()).unwrap();
        bench.registry.checkpoint(&pkcs8, now()).unwrap();
    }
    let code = bench.registry.code_of_document(&person(3).document).unwrap().unwrap();
    let receipt = bench.registry.signed_receipt(code).unwrap().unwrap();
    assert_eq!((receipt.index, receipt.checkpoint.size, receipt.check(&public)), (2, 5, Ok(())));
    let shown = serde_json::to_string(&receipt).unwrap();
    assert!(!shown.contains(&code.get().to_string()) && !shown.contains("Canary"), "{shown}");
    let first = bench.registry.checkpoint(&pkcs8, now() + 60).unwrap();
    assert_eq!(first, receipt.checkpoint, "nothing new is not signed again");

    let sound = bench.registry.verify_decisions(&public).unwrap();
    assert_eq!((sound.decisions, sound.checkpoints, sound.covered), (5, 5, 5));
    let path = bench.directory.path().join("registry.db");
    for (forge, mend, expected) in [
        (
            "UPDATE decisions SET authority = 'nobody' WHERE id = 3",
            "UPDATE decisions SET authority = 'citizen' WHERE id = 3",
            "decision 3: it is not as it was recorded",
        ),
        (
            "UPDATE decisions SET id = 99 WHERE id = 4",
            "UPDATE decisions SET id = 4 WHERE id = 99",
            "decision 4: it is missing",
        ),
        (
            "UPDATE checkpoints SET at_s = at_s + 1 WHERE size = 2",
            "UPDATE checkpoints SET at_s = at_s - 1 WHERE size = 2",
            "decision 2: the checkpoint over it is not signed by this gateway",
        ),
        (
            "UPDATE decisions SET leaf = (SELECT leaf FROM decisions WHERE id = 1), subject = (SELECT subject FROM decisions WHERE id = 1) WHERE id = 2",
            "",
            "decision 2: it is not as it was recorded",
        ),
    ] {
        let other = rusqlite::Connection::open(&path).unwrap();
        other.execute_batch(forge).unwrap();
        let error = bench.registry.verify_decisions(&public).expect_err(forge).to_string();
        assert_eq!(error, expected, "{forge}");
        other.execute_batch(mend).unwrap();
    }
    rusqlite::Connection::open(&path).unwrap().execute_batch("DELETE FROM decisions WHERE id > 3").unwrap();
    assert!(bench.registry.verify_decisions(&public).is_err(), "a shorter record is noticed");
}

#[test]
fn each_cause_has_its_decision_also_where_the_colour_stays() {
    let mut bench = Bench::new();
    let code = bench.submit(&form(1, Some(true), None), now()).unwrap().code;
    let until = day("2020-03-10");
    let contact = bench.registrar().add_cause(code, CauseKind::CloseContact, &by("cdc"), until, now());
    let (contact, decisions) = (contact.unwrap(), bench.registry.decisions(code).unwrap());
    let last = decisions.last().unwrap();
    assert_eq!((last.from, last.to, last.cause), (Colour::Red, Colour::Red, Some(contact)));
    assert_eq!(last.operators, "li-na,wang-wei", "who signed a red is on record");
    bench.registrar().appeal(code, last.id, "it was somebody else", now()).unwrap();
    bench.submit(&form(1, Some(true), None), now()).unwrap();
    assert_eq!(bench.registry.decisions(code).unwrap().len(), 2, "sent twice, decided once");
}
