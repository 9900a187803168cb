//! Applying and modifying on the pages of a running city: every outcome of a query, consent given and withdrawn, and requests of hostile or
//! careless clients. Over plain HTTP, without a script; browsers have tests of their own.

use loadtest::http::form as form_body;
use tests::people::demo;
use tests::web::{Answer, Browser, Request};
use tests::{City, wait_for};

const DOCUMENT: &str = "39990219900101901X";

fn form<'a>(document: &'a str, declared: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![
        ("name", "做试验"),
        ("kind", "id-card"),
        ("number", document),
        ("district", "360102"),
        ("street", "360102002"),
        ("community", ""),
    ];
    if !declared.is_empty() {
        fields.push(("declared", declared));
    }
    fields
}

/// Agrees to a query on that page and waits for its end; returns the page as it is then.
fn ask(browser: &mut Browser, path: &str, page: &str) -> Answer {
    let token = browser.token(path);
    let fields = [("token", token.as_str()), ("agree", "yes"), ("name", "先写好的名字")];
    let asked = browser.post(&format!("/travel/{page}/ask"), &fields);
    assert_eq!((asked.status, asked.location()), (303, path));
    wait_for("an answer", || {
        let page = browser.get(path);
        (!page.body.contains(" data-waits")).then_some(page)
    })
}

fn problems(answer: &Answer) -> Vec<&str> {
    let parts = answer.body.split("class=\"field-wrong\" id=\"").skip(1);
    parts.filter_map(|part| part.split('"').next()).collect()
}

#[test]
fn every_outcome_is_said_and_its_rule_holds_on_submission() {
    let city = City::start(100, 1);
    for (case, outcome, field, causes) in [
        ("clean", "clean", "no", 0.0),
        ("thirty hours in Wuhan", "stay", "locked", 1.0),
        ("ported in the window", "partial", "declare", 0.0),
        ("new number", "new-number", "declare", 0.0),
        ("a thing's number", "unanswerable", "declare", 0.0),
        ("nobody's number", "unanswerable", "declare", 0.0),
    ] {
        let person = demo(case);
        let mut browser = Browser::signed_in(&city, person.phone);
        let page = browser.get("/apply");
        assert!(!page.body.contains(" checked"), "{case}: nothing is ticked or chosen before");
        let page = ask(&mut browser, "/apply", "apply");
        assert_eq!(page.attribute("data-outcome"), Some(outcome), "{case}");
        assert_eq!(page.attribute("data-field"), Some(field), "{case}");
        assert!(page.body.contains("初步") && page.body.contains("先写好的名字"), "{case}");
        let offers_page = page.body.contains("rel=\"noreferrer noopener\"");
        assert_eq!(offers_page, field == "declare", "{case}");
        let before = city.metric("changtong_causes_total", "trajectory");
        if field == "locked" {
            assert!(page.body.contains("disabled") && page.body.contains("已锁定"), "{}", page.body);
            let no = browser.submit("/apply", &form(person.document, "no"));
            assert_eq!(no.status, 422);
            assert_eq!(problems(&no), ["declared-wrong"], "{case}");
            assert_eq!(city.metric("changtong_causes_total", "trajectory"), before, "nothing has happened");
        }
        let declared = if field == "declare" { "no" } else { "" };
        if field == "declare" {
            let nothing = browser.submit("/apply", &form(person.document, ""));
            assert_eq!((nothing.status, problems(&nothing)), (422, vec!["declared-wrong"]), "{case}");
        }
        let taken = browser.submit("/apply", &form(person.document, declared));
        assert_eq!((taken.status, taken.location()), (303, "/code?did=applied"), "{case}: {}", taken.body);
        assert_eq!(city.metric("changtong_causes_total", "trajectory") - before, causes, "{case}");
        // Sent again it changes what is registered; a stay stays.
        let declared = if field == "locked" { "" } else { "no" };
        let again = browser.submit("/apply", &form(person.document, declared));
        assert_eq!((again.status, again.location()), (303, "/code?did=modified"), "{case}");
        if field == "locked" {
            let page = browser.get("/apply");
            assert_eq!(page.attribute("data-field"), Some("locked"), "without a consent too");
            assert_eq!(browser.submit("/apply", &form(person.document, "no")).status, 422);
        }
    }
}

#[test]
fn a_consent_is_ticked_by_hand_is_one_query_and_is_taken_back_as_easily() {
    let city = City::start(100, 1);
    let person = demo("new number");
    let mut browser = Browser::signed_in(&city, person.phone);
    let token = browser.token("/apply");
    let asked = browser.post("/travel/apply/ask", &[("token", &token), ("name", "王")]);
    assert_eq!(asked.status, 303);
    let page = browser.get("/apply");
    assert!(page.body.contains("请先勾选授权") && page.attribute("data-outcome").is_none(), "{}", page.body);
    assert!(page.body.contains("value=\"王\""), "what was typed is kept");

    let page = ask(&mut browser, "/apply", "apply");
    assert_eq!(page.attribute("data-outcome"), Some("new-number"));
    let queries = || city.metric("changtong_carrier_queries_total", "");
    let before = queries();
    let page = ask(&mut browser, "/apply", "apply");
    assert_eq!(page.attribute("data-outcome"), Some("new-number"));
    assert_eq!(queries(), before, "sent again it asks nobody");

    let taken = browser.post("/travel/apply/withdraw", &[("token", &token)]);
    assert_eq!(taken.status, 303);
    let page = browser.get("/apply");
    assert!(page.body.contains("授权已撤回") && page.attribute("data-outcome").is_none(), "{}", page.body);
    assert_eq!(page.attribute("data-field"), Some("declare"));
    // Another visitor's session has nothing of it.
    let mut other = Browser::signed_in(&city, demo("clean").phone);
    assert!(!other.get("/apply").body.contains("授权已撤回"));
    assert_eq!(other.get("/travel/apply").attribute("data-field"), Some("declare"));
    let mut nobody = Browser::new(&city);
    assert_eq!(nobody.get("/travel/apply").status, 404);
    assert_eq!(nobody.get("/apply").location(), "/in?next=/apply");
}

#[test]
fn a_carrier_that_is_down_or_slow_leaves_the_form_to_the_citizen() {
    let city = City::start(100, 1);
    let fault = |words: &[&str]| {
        for carrier in ["china-mobile", "china-unicom", "china-telecom"] {
            let (status, _, err) = city.command(&[&["carrier", "fault", carrier], words].concat());
            assert!(status.success(), "{err}");
        }
    };
    fault(&["slow", "--ms", "6000"]);
    let person = demo("four hours in Wuhan exactly");
    let mut browser = Browser::signed_in(&city, person.phone);
    let token = browser.token("/apply");
    let asked = runtime::clock::now();
    browser.post("/travel/apply/ask", &[("token", &token), ("agree", "yes")]);
    assert!(asked.elapsed().as_secs() < 2, "the answer is not waited for");
    let page = browser.get("/apply");
    assert!(
        page.body.contains(" data-waits") && page.body.contains("<noscript><meta http-equiv=\"refresh\"")
    );
    let early = browser.submit("/apply", &form(person.document, "no"));
    assert!(early.status == 422 && early.body.contains("马上就到"), "{}", early.body);
    let page = wait_for("the way to the carriers' page", || {
        let page = browser.get("/apply");
        page.body.contains("rel=\"noreferrer noopener\"").then_some(page)
    });
    assert!(asked.elapsed().as_secs() < 5 && page.body.contains(" data-waits"), "before the answer");
    assert!(!page.body.contains("http-equiv=\"refresh\""), "a form that is filled in stays");
    assert!(page.body.contains("/travel/apply/look") && page.body.contains("value=\"做试验\""));
    let page = wait_for("the late answer", || {
        let page = browser.get("/apply");
        (!page.body.contains(" data-waits")).then_some(page)
    });
    assert_eq!(page.attribute("data-outcome"), Some("stay"), "late, and it still counts");
    assert_eq!(browser.submit("/apply", &form(person.document, "no")).status, 422);

    fault(&["garbage"]);
    let mut browser = Browser::signed_in(&city, demo("three days in Italy").phone);
    let page = ask(&mut browser, "/apply", "apply");
    assert!(page.body.contains("运营商的答复看不懂") && !page.body.contains("人太多"), "{}", page.body);

    fault(&["down"]);
    let mut browser = Browser::signed_in(&city, demo("an hour in Italy").phone);
    let page = ask(&mut browser, "/apply", "apply");
    assert_eq!(page.attribute("data-outcome"), Some("unavailable"));
    assert!(page.body.contains("rel=\"noreferrer noopener\""), "at once");
    for asks in ["name=\"agree\"", "/travel/apply/ask\""] {
        assert!(page.body.contains(asks), "who may try again has the box and the button: {}", page.body);
    }
    fault(&["none"]);
    let page = ask(&mut browser, "/apply", "apply");
    assert_eq!(page.attribute("data-outcome"), Some("stay"), "asked again, and answered");
    assert!(!page.body.contains("/travel/apply/ask\""), "once");
}

#[test]
fn a_holder_modifies_and_a_guardian_applies_for_a_ward() {
    let city = City::start(100, 1);
    let (person, ward) = (demo("clean"), demo("ported long ago"));
    let mut browser = Browser::signed_in(&city, person.phone);
    assert_eq!(browser.get("/apply/ward").status, 403, "an own code first");
    assert_eq!(browser.get("/modify").location(), "/confirm");
    let wrong = browser.submit("/confirm", &[("kind", "id-card"), ("number", person.document)]);
    assert_eq!((wrong.status, problems(&wrong)), (422, vec!["number-wrong"]));
    browser.submit("/apply", &form(person.document, "no"));
    assert!(browser.get("/apply").body.contains("您已有昌通码"));

    let path = browser.get("/modify").location().to_owned();
    let page = browser.get(&path);
    assert!(page.body.contains("value=\"做试验\"") && page.body.contains("**************901X"));
    assert!(!page.body.contains(person.document) && !page.body.contains(person.phone));
    let moved = [("name", "王新"), ("district", "360103"), ("community", "幸福社区"), ("declared", "no")];
    let taken = browser.submit(&path, &moved);
    assert_eq!((taken.status, taken.location()), (303, "/code?did=modified"), "{}", taken.body);
    let page = browser.get(&path);
    assert!(page.body.contains("value=\"王新\"") && page.body.contains("value=\"幸福社区\""));

    let taken = browser.submit("/apply/ward", &form(ward.document, "no"));
    assert_eq!((taken.status, taken.location()), (303, "/code?did=applied"), "{}", taken.body);
    let page = browser.get("/modify");
    assert!(page.status == 200 && page.body.contains("王新") && page.body.contains("家人"), "{}", page.body);

    let mut other = Browser::signed_in(&city, demo("new number").phone);
    assert_eq!(other.get(&path).status, 404, "a path is its session's");
    let theirs = other.submit("/apply", &form(person.document, "no"));
    assert_eq!((theirs.status, problems(&theirs)), (422, vec!["number-wrong"]));
    // From a place without a code, and back to it.
    let page = other.get("/apply?next=/p/abc");
    assert_eq!(page.body.matches("name=\"back\" value=\"/p/abc\"").count(), 1);
    assert!(other.get("/apply?next=https://else.example").body.contains("name=\"back\" value=\"/\""));
    let token = other.token("/apply");
    let fields = [("token", token.as_str()), ("agree", "yes"), ("back", "/p/abc")];
    assert_eq!(other.post("/travel/apply/ask", &fields).location(), "/apply?next=/p/abc");
    let document = demo("new number").document;
    wait_for("an answer", || (!other.get("/apply").body.contains(" data-waits")).then_some(()));
    let fields = [&fields[..], &form(document, "no")[..]].concat();
    assert_eq!(other.post("/apply", &fields).location(), "/p/abc");
    assert!(!theirs.body.contains("王新") && !theirs.body.contains(person.phone), "nothing of anybody");
}

#[test]
fn what_is_wrong_is_said_beside_its_field_and_nothing_happens() {
    let city = City::start(100, 1);
    let mut browser = Browser::signed_in(&city, demo("clean").phone);
    let good = form(DOCUMENT, "no");
    let with = |field: &'static str, value: &'static str| {
        let mut fields = good.clone();
        fields.retain(|(name, _)| *name != field);
        fields.push((field, value));
        fields
    };
    for (field, value, wrong) in [
        ("name", "", "name"),
        ("name", "王\u{0}伟", "name"),
        ("name", "13800138000", "name"),
        ("name", "张<b>三</b>", "name"),
        ("number", "", "number"),
        ("number", "399902199001019010", "number"),
        ("number", "110105194912310021", "number"),
        ("kind", "library-card", "number"),
        ("district", "", "district"),
        ("district", "110101", "district"),
        ("street", "360103002", "street"),
        ("community", "12345", "community"),
        ("community", "上营\u{3164}坊", "community"),
        ("declared", "maybe", "declared"),
        ("declared", "", "declared"),
    ] {
        let answer = browser.submit("/apply", &with(field, value));
        assert_eq!(answer.status, 422, "{field} {value:?}");
        assert_eq!(problems(&answer), [format!("{wrong}-wrong")], "{field} {value:?}");
        let described = format!("{wrong}-wrong\"");
        assert!(wrong == "declared" || answer.body.contains(&described), "{field}");
    }
    let missing: Vec<_> = good.iter().copied().filter(|(name, _)| *name == "name").collect();
    let answer = browser.submit("/apply", &missing);
    assert_eq!((answer.status, problems(&answer)), (422, vec!["number-wrong", "district-wrong"]));
    let foreign = browser.submit("/in", &[("phone", "+85291234567")]);
    assert!(foreign.status == 422 && foreign.body.contains("中国大陆手机号码"));
    assert_eq!(browser.get("/modify").location(), "/confirm", "after all that nobody is registered");
}

#[test]
fn forms_that_cannot_be_are_refused_kindly_and_change_nothing() {
    type Row<'a> = (&'a str, Vec<u8>, (&'a str, &'a str), u16);
    let city = City::start(100, 1);
    let mut browser = Browser::signed_in(&city, demo("clean").phone);
    let token = browser.token("/apply");
    let good = form(DOCUMENT, "no");
    let origin = format!("http://localhost:{}", city.fleet().pages.expect("pages").port());
    let form_type = ("Content-Type", "application/x-www-form-urlencoded");
    let body = |extra: &str| format!("token={token}&{}{extra}", form_body(&good)).into_bytes();
    let huge = vec![b'a'; 10 * 1024 * 1024];
    let rows: [Row<'_>; 6] = [
        ("a field twice", body("&name=x"), form_type, 400),
        ("the token twice", body("&token=x"), form_type, 400),
        ("10 MB", huge, form_type, 413),
        ("JSON", body(""), ("Content-Type", "application/json"), 415),
        ("no form", b"\xff\xfe\x00".to_vec(), form_type, 403),
        ("bytes that are no text", body("").replace_name(b"%FF%FE"), form_type, 422),
    ];
    for (what, body, kind, status) in rows {
        let headers = [kind, ("Origin", origin.as_str())];
        let request = Request { method: "POST", path: "/apply", headers: &headers, body: &body };
        let answer = browser.send(&request).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(answer.status, status, "{what}");
        assert!(answer.body.contains("<h1>") && answer.header("content-security-policy").is_some(), "{what}");
    }
    for (what, headers) in [
        ("another site", vec![form_type, ("Origin", "https://else.example")]),
        ("another site's frame", vec![form_type, ("Sec-Fetch-Site", "cross-site")]),
        ("no origin at all", vec![form_type, ("Origin", "null")]),
    ] {
        let body = body("");
        let request = Request { method: "POST", path: "/apply", headers: &headers, body: &body };
        assert_eq!(browser.send(&request).expect(what).status, 403, "{what}");
    }
    for (what, token) in [("no token", ""), ("another's token", &"0".repeat(32))] {
        let answer = browser.post("/apply", &[&[("token", token)], &good[..]].concat());
        assert_eq!(answer.status, 403, "{what}");
        assert_eq!(browser.post("/travel/apply/ask", &[("token", token), ("agree", "yes")]).status, 403);
        assert_eq!(browser.post("/confirm", &[("token", token)]).status, 403, "{what}");
    }
    let mut replayed = Browser::signed_in(&city, demo("an hour in Italy").phone);
    let stolen = replayed.post("/apply", &[&[("token", token.as_str())], &good[..]].concat());
    assert_eq!(stolen.status, 403, "a form of one session is none of another");
    assert_eq!(browser.get("/modify").location(), "/confirm", "after all that nobody is registered");
    let log = city.log();
    assert!(!log.contains(DOCUMENT) && !log.contains(demo("clean").phone), "{log}");
}

/// Puts raw bytes into the field `name`.
trait ReplaceName {
    fn replace_name(self, bytes: &[u8]) -> Self;
}

impl ReplaceName for Vec<u8> {
    fn replace_name(self, bytes: &[u8]) -> Self {
        let name = form_body(&[("name", "做试验")]).into_bytes();
        let at = self.windows(name.len()).position(|part| part == name).expect("a name");
        [&self[..at], b"name=", bytes, &self[at + name.len()..]].concat()
    }
}
