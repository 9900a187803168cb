//! A family on one phone, over the pages of a running city: queries and forms for a ward, corrections, and the
//! large letters, which cost no step. Over plain HTTP, without a script.

use policy::trajectory::{day_of, days_after};
use runtime::clock;
use tests::people::demo;
use tests::web::{Answer, Browser};
use tests::{City, wait_for};

fn form<'a>(name: &'a str, document: &'a str, declared: &'a str) -> Vec<(&'a str, &'a str)> {
    let fields = [("name", name), ("kind", "id-card"), ("number", document), ("district", "360102")];
    let said = (!declared.is_empty()).then_some(("declared", declared));
    fields.into_iter().chain(said).collect()
}

/// Agrees to a query on that page and waits for its end; returns the page as it is then.
fn ask(browser: &mut Browser, path: &str, page: &str) -> Answer {
    let token = browser.token(path);
    let asked = browser.post(&format!("/travel/{page}/ask"), &[("token", &token), ("agree", "yes")]);
    assert_eq!((asked.status, asked.location()), (303, path));
    wait_for("an answer", || {
        let page = browser.get(path);
        (!page.body.contains(" data-waits")).then_some(page)
    })
}

/// Returns the colours of all of the visitor's codes, in their order.
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
fn the_card_offers_what_the_form_takes_and_says_when_the_colour_really_ends() {
    let city = City::start(100, 1);
    let person = demo("thirty hours in Wuhan");
    let mut browser = Browser::signed_in(&city, person.phone);
    assert_eq!(browser.submit("/apply", &form("周来", person.document, "yes")).status, 303);
    let offers = |page: &str| page.contains("改为“无”<");
    let card = browser.get("/code").body;
    assert!(card.contains("data-correction=\"wait\"") && offers(&card), "{card}");
    let path = browser.get("/modify").location().to_owned();
    let page = path.replace("/modify/", "modify-");
    ask(&mut browser, &path, &page);
    for here in ["/code", "/why/0", &path] {
        let shown = browser.get(here).body;
        assert!(shown.contains("data-correction=\"locked\"") && !offers(&shown), "{here}: {shown}");
    }
    assert_eq!(
        browser.submit(&path, &form("周来", person.document, "no")).status,
        422,
        "and the form takes none"
    );
    assert_eq!(browser.submit(&path, &form("周来", person.document, "")).status, 303);
    // What was found ends before what was declared, and the code is red until that ends, too.
    let ends = format!("{} 00:00", days_after(day_of(clock::now_s()), 15));
    for here in ["/code", "/why/0"] {
        let shown = browser.get(here).body;
        let until = shown.split("data-turns=\"green\"").nth(1).and_then(|rest| rest.split("</p>").next());
        let until = until.unwrap_or_else(|| panic!("{here}: {shown}"));
        assert!(until.contains(&ends), "{here}: {ends}, not {until}");
    }
}

/// A No ends what was declared and nothing else: beside a quarantine no page says that the colour is over then.
#[test]
fn a_page_says_what_a_no_ends_and_what_outlasts_it() {
    let city = City::start(100, 1);
    let person = demo("clean");
    let mut browser = Browser::signed_in(&city, person.phone);
    assert_eq!(browser.submit("/apply", &form("周来", person.document, "yes")).status, 303);
    let path = browser.get("/modify").location().to_owned();
    for here in ["/code", "/why/0", &path] {
        let shown = browser.get(here).body;
        assert!(
            shown.contains("这一项 24 小时后结束") && !shown.contains("data-outlasts"),
            "{here}: {shown}"
        );
    }
    let words = ["code", "find", "--document", person.document, "--document-kind", "id-card"];
    let (status, out, err) = city.signed(1, &[&words[..], &["--case", "C-1", "--json"]].concat());
    assert!(status.success(), "{err}");
    let found: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let code = found["found"]["code"].to_string();
    let until = days_after(day_of(clock::now_s()), 10);
    let cause = ["cause", "add", "--code", &code, "--kind", "quarantine", "--until", &until.to_string()];
    let (status, out, err) = city.signed(2, &cause);
    assert!(status.success(), "{out}{err}");
    let ends = format!("{} 00:00", days_after(until, 1));
    let outlasts = |shown: &str| {
        let (_, rest) = shown.split_once(" data-outlasts").unwrap_or_else(|| panic!("{shown}"));
        rest.split("</p>").next().expect("its words").to_owned()
    };
    for here in ["/code", "/why/0", &path] {
        let said = outlasts(&browser.get(here).body);
        assert!(said.contains("其他原因") && said.contains(&ends), "{here}: {ends}, not {said}");
    }
    assert_eq!(browser.submit(&path, &form("周来", person.document, "no")).status, 303);
    let shown = browser.get("/code").body;
    assert!(shown.contains("data-correction=\"waits\"") && outlasts(&shown).contains(&ends), "{shown}");
    // The notice of a lost network says it of the network.
    let shown = shown.replace("网络恢复", "");
    assert!(!shown.contains("恢复"), "nothing says that the colour is green then: {shown}");
}

/// An earlier system's record says that its holder declared a stay. The holder can take that back as well, and is not told to have said so
/// here.
#[test]
fn what_an_earlier_system_has_as_declared_is_told_as_its_record_and_taken_back() {
    let city = City::start(100, 1);
    let file = city.data().join("holders.csv");
    let titles = "name,document_kind,document,phone,district,colour,basis,until,qr_text";
    let until = days_after(day_of(clock::now_s()), 10);
    let line = format!("王芳,passport,X00000005,16300000005,Donghu,red,declared,{until},NEAC-0005");
    std::fs::write(&file, format!("{titles}\n{line}\n")).expect("written");
    let (status, out, err) = city.signed(2, &["holders", "import", file.to_str().expect("a plain path")]);
    assert!(status.success(), "{out}{err}");
    let mut browser = Browser::signed_in(&city, "16300000005");
    let shown = browser.submit("/confirm", &[("kind", "passport"), ("number", "X00000005")]);
    assert_eq!(shown.status, 303, "{}", shown.body);
    let path = browser.get("/modify").location().to_owned();
    for here in ["/code", "/why/0", &path] {
        let shown = browser.get(here).body;
        let said = shown.split("data-correction=\"wait\"").nth(1).and_then(|rest| rest.split("</p>").next());
        let said = said.unwrap_or_else(|| panic!("{here}: {shown}"));
        assert!(said.contains("原系统的记录") && said.contains("24 小时后结束"), "{here}: {said}");
        assert!(!said.contains("“有”是申报的"), "who said it is not known: {here}: {said}");
    }
    let form = [("name", "王芳"), ("district", "360102"), ("declared", "no")];
    assert_eq!(browser.submit(&path, &form).status, 303);
    let shown = browser.get("/why/0").body;
    assert!(shown.contains("data-correction=\"waits\""), "{shown}");
}

#[test]
fn a_consent_that_is_taken_back_on_the_privacy_page_leaves_no_answer_anywhere() {
    let city = City::start(100, 1);
    let mut browser = Browser::signed_in(&city, demo("clean").phone);
    let page = ask(&mut browser, "/apply", "apply");
    assert_eq!((page.attribute("data-outcome"), page.attribute("data-field")), (Some("clean"), Some("no")));
    let privacy = browser.get("/privacy");
    let (_, consent) = privacy.body.split_once("name=\"consent\" value=\"").expect("a consent to take back");
    let consent = consent.split('"').next().expect("its number").to_owned();
    let token = browser.token("/privacy");
    let taken = browser.post("/privacy/consent", &[("token", &token), ("consent", &consent)]);
    assert_eq!(taken.location(), "/privacy?withdrawn=yes", "{}", taken.body);
    for path in ["/apply", "/travel/apply"] {
        let page = browser.get(path);
        assert_eq!(page.attribute("data-outcome"), None, "{path}: {}", page.body);
        assert_eq!(page.attribute("data-field"), Some("declare"), "{path}: no form rests on it");
        assert!(page.body.contains("授权已撤回"), "{path}: {}", page.body);
    }
}

#[test]
fn large_letters_stay_on_the_page_that_answered_a_form() {
    let city = City::start(100, 1);
    let title = |answer: &Answer| {
        let (_, rest) = answer.body.split_once("<h1>").unwrap_or_else(|| panic!("{}", answer.body));
        rest.split("</h1>").next().map(str::to_owned)
    };
    let switched = |browser: &mut Browser, answer: &Answer, expected: &str| {
        let (_, rest) = answer.body.split_once("action=\"/view\"").expect("the switch");
        let next = rest.split("name=\"next\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let next = next.expect("where it leads").replace("&amp;", "&");
        let to = browser.post("/view", &[("elder", "on"), ("next", &next)]).location().to_owned();
        assert_eq!(to, expected);
        let page = browser.get(&to);
        assert_eq!((page.status, title(&page)), (200, title(answer)), "{expected}");
    };
    let mut nobody = Browser::new(&city);
    let refused = nobody.submit("/in", &[("phone", "1"), ("next", "/apply")]);
    switched(&mut nobody, &refused, "/in?next=/apply");
    let signs_in = [("phone", demo("an hour in Italy").phone), ("next", "/apply")];
    assert_eq!(nobody.submit("/in", &signs_in).status, 303);
    let token = nobody.token("/in/code");
    for (path, fields) in [
        ("/in/code", vec![("token", &token[..]), ("next", "/apply"), ("code", "12")]),
        ("/in/again", vec![("token", &token[..]), ("next", "/apply")]),
    ] {
        let answer = nobody.post(path, &fields);
        assert!(answer.status == 422 || answer.status == 429, "{path}: {}", answer.status);
        switched(&mut nobody, &answer, "/in/code?next=/apply");
    }

    let person = demo("clean");
    let mut browser = Browser::signed_in(&city, person.phone);
    let refused = browser.submit("/confirm", &[("kind", "id-card"), ("number", ""), ("back", "/apply")]);
    switched(&mut browser, &refused, "/confirm?next=/apply");
    assert_eq!(browser.submit("/apply", &form("周来", person.document, "yes")).status, 303);
    let page = browser.get("/withdraw/0");
    let (_, which) = page.body.split_once("name=\"which\" value=\"").expect("which");
    let which = which.split('"').next().expect("a mark").to_owned();
    let token = browser.token("/withdraw/0");
    let refused = browser.post("/withdraw", &[("token", &token), ("which", &which)]);
    switched(&mut browser, &refused, "/withdraw/0");
    let why = browser.get("/why/0").body;
    let path = why.split("href=\"").find(|rest| rest.starts_with("/why/0/appeal/")).expect("an appeal");
    let path = path.split('"').next().expect("its path").to_owned();
    let decision = path.rsplit('/').next().expect("its decision");
    let empty = [("token", &token[..]), ("which", &which), ("decision", decision), ("text", " ")];
    let refused = browser.post("/appeal", &empty);
    switched(&mut browser, &refused, &path);
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
