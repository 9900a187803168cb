//! A family on one phone, over the pages of a running city: what is asked for a ward, what becomes of it, how a mistake is mended, and the
//! large letters that cost nobody a step. Over plain HTTP, without a script.

use tests::people::demo;
use tests::web::{Answer, Browser};
use tests::{City, wait_for};

fn form<'a>(name: &'a str, document: &'a str, declared: &'a str) -> Vec<(&'a str, &'a str)> {
    let fields = [("name", name), ("kind", "id-card"), ("number", document), ("district", "360102")];
    let said = (!declared.is_empty()).then_some(("declared", declared));
    fields.into_iter().chain(said).collect()
}

/// Agrees to a query on that page and waits for what comes; the page as it is then.
fn ask(browser: &mut Browser, path: &str, page: &str) -> Answer {
    let token = browser.token(path);
    let asked = browser.post(&format!("/travel/{page}/ask"), &[("token", &token), ("agree", "yes")]);
    assert_eq!((asked.status, asked.location()), (303, path));
    wait_for("an answer", || {
        let page = browser.get(path);
        (!page.body.contains(" data-waits")).then_some(page)
    })
}

/// The colours of all of the visitor's codes, in their order.
fn colours(browser: &mut Browser) -> Vec<String> {
    let page = browser.get("/code").body;
    let shown = page.split("<template").next().expect("what stands before it");
    let signs = shown.split("data-colour=\"").skip(1);
    signs.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

#[test]
fn a_number_answers_for_its_phone_and_what_is_refuted_ends_for_the_ward_too() {
    let city = City::start(100, 1);
    let person = demo("thirty hours in Wuhan");
    let mut browser = Browser::signed_in(&city, person.phone);
    ask(&mut browser, "/apply", "apply");
    assert_eq!(browser.submit("/apply", &form("周来", person.document, "")).status, 303);
    assert_eq!(colours(&mut browser), ["red"]);

    let page = browser.get("/apply/ward");
    assert_eq!(page.attribute("data-field"), Some("declare"), "the guardian's stay locks no ward's form");
    assert!(page.body.contains("我代家人授权") && !page.body.contains(" checked"), "{}", page.body);
    let (home, along) = (demo("clean").document, demo("new number").document);
    assert_eq!(browser.submit("/apply/ward", &form("周在家", home, "no")).status, 303);
    assert_eq!(colours(&mut browser), ["red", "green"]);

    let page = ask(&mut browser, "/apply/ward", "ward");
    assert_eq!(page.attribute("data-outcome"), Some("stay"), "a consent of its own");
    assert_eq!(page.attribute("data-field"), Some("along"), "{}", page.body);
    assert!(page.body.contains("为止") && page.body.contains("Your code will be red until"), "{}", page.body);
    let nothing = browser.submit("/apply/ward", &form("周同行", along, ""));
    assert!(nothing.status == 422 && nothing.body.contains("declared-wrong"), "{}", nothing.body);
    assert_eq!(browser.submit("/apply/ward", &form("周同行", along, "along")).status, 303);
    assert_eq!(colours(&mut browser), ["red", "green", "red"]);
    let why = browser.get("/why/2").body;
    assert!(why.contains("随监护人的手机") && why.contains("本人申报"), "{why}");
    let privacy = browser.get("/privacy").body;
    assert!(privacy.contains("为家人") && privacy.contains("周同行"), "the record says for whom: {privacy}");

    let why = browser.get("/why/0");
    let path = why.body.split("href=\"").find(|rest| rest.starts_with("/why/0/appeal/")).expect("an appeal");
    let decision =
        path.split('"').next().and_then(|path| path.rsplit('/').next()).expect("a number").to_owned();
    let page = browser.get(&format!("/why/0/appeal/{decision}"));
    let which = page.body.split_once("name=\"which\" value=\"").expect("which").1;
    let which = which.split('"').next().expect("a mark").to_owned();
    let token = browser.token(&format!("/why/0/appeal/{decision}"));
    let fields = [("token", &token[..]), ("which", &which), ("decision", &decision), ("text", "在南昌")];
    assert_eq!(browser.post("/appeal", &fields).location(), "/why/0");
    assert!(browser.get("/code").body.contains("申诉"), "how it stands is said beside the code");
    let (status, _, err) = city.command(&["appeal", "answer", "1", "--grant", "--text", "a mast"]);
    assert!(status.success(), "{err}");
    assert_eq!(colours(&mut browser), ["green", "green", "green"], "all that rested on it has ended");
}

#[test]
fn a_declared_yes_is_told_before_explained_after_and_taken_back_without_a_query() {
    let city = City::start(100, 1);
    let person = demo("clean");
    let mut browser = Browser::signed_in(&city, person.phone);
    let before = browser.get("/apply").body;
    assert!(before.contains("提交后为红码") && before.contains("为止"), "{before}");
    assert_eq!(browser.submit("/apply", &form("周来", person.document, "yes")).status, 303);
    let code = browser.get("/code").body;
    for said in ["现在怎么办", "tel:12345", "自动结束", "data-correction=\"wait\"", "24 小时"] {
        assert!(code.contains(said), "{said}: {code}");
    }
    let path = browser.get("/modify").location().to_owned();
    assert!(browser.get(&path).body.contains("data-correction=\"wait\""), "and on the form");
    assert_eq!(browser.submit(&path, &form("周来", person.document, "no")).status, 303);
    let code = browser.get("/code").body;
    assert!(code.contains("data-colour=\"red\"") && code.contains("data-correction=\"waits\""), "{code}");
    assert_eq!(city.metric("changtong_carrier_queries_total", ""), 0.0, "nobody was asked");
}

#[test]
fn large_letters_stay_on_the_page_with_what_was_typed() {
    let city = City::start(100, 1);
    let mut nobody = Browser::new(&city);
    let here = "/in?next=/apply";
    assert!(nobody.get(here).body.contains("name=\"next\" value=\"/in?next=/apply\""));
    assert_eq!(nobody.post("/view", &[("elder", "on"), ("next", here)]).location(), here);
    assert!(nobody.get(here).body.contains("class=\"elder\""));
    for elsewhere in ["//else.example", "https://else.example", "/\\else.example", "else"] {
        assert_eq!(nobody.post("/view", &[("elder", "on"), ("next", elsewhere)]).location(), "/");
    }
    let person = demo("clean");
    let mut browser = Browser::signed_in(&city, person.phone);
    ask(&mut browser, "/apply", "apply");
    let token = browser.token("/apply");
    let fields =
        [&form("写了一半", person.document, "yes")[..], &[("token", &token), ("elder", "on")]].concat();
    let switched = browser.post("/travel/apply/view", &fields);
    assert_eq!((switched.status, switched.location()), (303, "/apply"));
    let page = browser.get("/apply");
    assert!(page.body.contains("class=\"elder\"") && page.body.contains("写了一半"), "{}", page.body);
    assert_eq!(page.attribute("data-outcome"), Some("clean"), "and the result");
    assert!(page.body.contains("value=\"yes\" checked"), "{}", page.body);
}

#[test]
fn the_way_to_ones_own_carrier_comes_first_and_its_page_takes_number_and_code() {
    let city = City::start(100, 1);
    let person = demo("a thing's number");
    let mut browser = Browser::signed_in(&city, person.phone);
    let page = ask(&mut browser, "/apply", "apply");
    let (_, likely) = page.body.split_once("class=\"links\"").expect("the carriers' pages");
    let first = likely.split("<details").next().expect("what stands first");
    assert_eq!(first.matches("href=\"https://").count(), 1, "one stands first: {first}");
    assert!(first.contains("data-likely") && likely.matches("href=\"https://").count() == 3, "{likely}");
    let home = Browser::new(&city).get("/").body;
    assert!(
        home.contains("无需重新申领") && home.contains("/in?next=/confirm"),
        "who has a code is told: {home}"
    );
    assert!(home.contains("/unit") && browser.get("/code").status == 200);
}
