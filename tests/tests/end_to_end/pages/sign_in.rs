//! Signing in over HTTP, without a script: numbers and codes as people paste them, the texts of refusals, and asking for
//! another code while the first may still come.

use tests::City;
use tests::clocks::SetClock;
use tests::people::{Citizen, demo};
use tests::wait_for;
use tests::web::{Answer, Browser, message};

/// Asks for a code for the phone; the answer.
fn ask(browser: &mut Browser, phone: &str) -> Answer {
    browser.submit("/in", &[("phone", phone), ("next", "/code")])
}

/// Types a code on its page; returns the answer.
fn typed(browser: &mut Browser, code: &str) -> Answer {
    let token = browser.token("/in/code");
    browser.post("/in/code", &[("token", &token), ("code", code), ("next", "/code")])
}

/// Returns a code of six digits that is not that one.
fn other_than(code: &str) -> String {
    let first = if code.starts_with('9') { '8' } else { '9' };
    format!("{first}{}", &code[1..])
}

fn is_signed_in(answer: &Answer) -> bool {
    (answer.status, answer.location()) == (303, "/code")
}

#[test]
fn a_number_is_read_however_it_was_pasted() {
    let city = City::start(100, 1);
    let mut browser = Browser::new(&city);
    for number in [
        "0086 163 9999 0001",
        "8616399990001",
        "+86 163 9999 0001",
        "\u{202d}16399990001\u{202c}",
        "\u{2068}+86 163 9999 0001\u{2069}",
        "(+86)163-9999-0001",
        "163\u{2011}9999\u{2011}0001",
        "１６３９９９９０００１",
    ] {
        // After the first its code is out, and the page for it is shown.
        assert_eq!(ask(&mut browser, number).location(), "/in/code?next=/code", "{number:?}");
        assert!(browser.get("/in/code").body.contains("163****0001"), "{number:?}");
    }
}

#[test]
fn a_number_that_is_refused_stays_in_the_field_and_the_reason_is_said() {
    let city = City::start(100, 1);
    let mut browser = Browser::new(&city);
    for (number, reason) in [
        ("+852 6123 4567", "只能使用中国大陆的手机号码"),
        ("0082 10 1234 5678", "只能使用中国大陆的手机号码"),
        ("1638888121", "应为11位数字"),
        ("163888812101", "应为11位数字"),
        ("16388x81210", "只能是数字"),
        ("12388881210", "应以13至19开头"),
        ("  ", "请输入手机号码"),
    ] {
        let answer = ask(&mut browser, number);
        assert_eq!(answer.status, 422, "{number}");
        assert!(answer.body.contains(reason), "{number}: {}", answer.body);
        assert!(
            answer.body.contains(&format!("name=\"phone\" value=\"{number}\"")),
            "{number}: {}",
            answer.body
        );
        let (summary, field) = ("<a href=\"#phone\">", "id=\"phone-wrong\"");
        assert!(answer.body.contains(summary) && answer.body.contains(field), "{}", answer.body);
        assert!(answer.body.contains("<title>错误 Error: "), "{}", answer.body);
    }
    let page = browser.get("/in").body;
    assert!(
        page.contains("没有中国大陆手机号码") && page.contains("passport"),
        "what people from abroad do: {page}"
    );
    assert!(!page.contains("<title>错误"), "a page without a mistake has none in its title");
}

#[test]
fn a_code_is_right_however_it_was_pasted() {
    type Pasted = fn(&str) -> String;
    let city = City::start(100, 1);
    let pasted: [(&str, Pasted); 4] = [
        ("clean", |code| format!("{} {}", &code[..3], &code[3..])),
        ("new number", |code| format!(" {code} ")),
        ("an hour in Italy", |code| {
            code.chars()
                .map(|digit| char::from_u32(u32::from(digit) - 0x30 + 0xff10).expect("full-width"))
                .collect()
        }),
        ("ported long ago", |code| format!("{code}\u{202c}")),
    ];
    for (case, paste) in pasted {
        let (phone, mut browser) = (demo(case).phone, Browser::new(&city));
        ask(&mut browser, phone);
        let code = paste(&message(&city, phone));
        let answer = typed(&mut browser, &code);
        assert!(is_signed_in(&answer), "{code:?}: {}", answer.body);
    }
}

#[test]
fn only_whole_wrong_codes_count_and_what_is_left_is_said() {
    let city = City::start(100, 1);
    let phone = demo("clean").phone;
    let mut browser = Browser::new(&city);
    ask(&mut browser, phone);
    let code = message(&city, phone);
    for tries_left in [4, 3, 2, 1] {
        for short in ["", "12345", "1234567", "abcdef"] {
            let answer = typed(&mut browser, short);
            assert!(answer.status == 422 && answer.body.contains("不计入次数"), "{short}: {}", answer.body);
        }
        let answer = typed(&mut browser, &other_than(&code));
        assert!(answer.body.contains(&format!("还可以再试 {tries_left} 次")), "{}", answer.body);
        assert!(answer.body.contains(&format!("value=\"{}\"", other_than(&code))), "what was typed stays");
    }
    let last = typed(&mut browser, &other_than(&code));
    assert!(last.status == 422 && last.body.contains("已不能再试"), "{}", last.body);
    assert!(
        !last.body.contains("name=\"code\"") && last.body.contains("action=\"/in/again\""),
        "no dead field: {}",
        last.body
    );
    assert!(!is_signed_in(&typed(&mut browser, &code)), "nor does the right code open anything");
}

#[test]
fn another_code_is_asked_for_beside_the_first_which_stays_good() {
    let mut city = City::new(100, 1);
    let clock = SetClock::of(&mut city);
    city.spawn();
    city.wait_ready();
    let phone = demo("clean").phone;
    let mut browser = Browser::new(&city);
    assert_eq!(ask(&mut browser, phone).location(), "/in/code?next=/code");
    let first = message(&city, phone);
    let page = browser.get("/in/code").body;
    assert!(page.contains("之后可以重新发送") && page.contains("data-wait=\""), "{page}");
    // Too early, here or from the first page: the field for the first code stays.
    assert_eq!(ask(&mut browser, phone).location(), "/in/code?next=/code");
    let token = browser.token("/in/code");
    let early = browser.post("/in/again", &[("token", &token), ("next", "/code")]);
    assert!(early.status == 429 && early.body.contains("name=\"code\""), "{}", early.body);
    clock.set(61);
    wait_for("the minute to be over", || {
        browser.get("/in/code").body.contains("data-wait=\"0\"").then_some(())
    });
    let again = browser.post("/in/again", &[("token", &token), ("next", "/code")]);
    assert_eq!((again.status, again.location()), (303, "/in/code?next=/code"), "{}", again.body);
    let second = wait_for("another message", || Some(message(&city, phone)).filter(|code| *code != first));
    let answer = typed(&mut browser, &first);
    assert!(is_signed_in(&answer), "the first, which came late: {}", answer.body);

    let mut other = Browser::new(&city);
    clock.set(130);
    wait_for("a code for another browser", || (ask(&mut other, phone).status == 303).then_some(()));
    assert!(
        !is_signed_in(&typed(&mut other, &second)),
        "a code is its session's, and used up with the other"
    );
    clock.set(130 + 301);
    let page = wait_for("the code to be too old", || {
        let page = other.get("/in/code").body;
        page.contains("现在没有可用的验证码").then_some(page)
    });
    assert!(!page.contains("name=\"code\"") && page.contains("action=\"/in/again\""), "{page}");
    let token = other.token("/in/code");
    let again = other.post("/in/again", &[("token", &token), ("next", "/code")]);
    assert_eq!(again.location(), "/in/code?next=/code", "{}", again.body);
}

#[test]
fn whoever_has_no_mainland_number_is_registered_at_a_counter_with_a_hosts() {
    let city = City::start(100, 1);
    let host = demo("clean");
    let counter = Citizen::new(&city, host.phone);
    let own =
        counter.apply(host.document, &["--declared", "false"]).expect("the host's code").code.to_string();
    let passport = ["--kind", "passport", "--declared", "false", "--guardian", &own];
    counter.apply("X39990001", &passport).expect("the guest's code");
    let mut browser = Browser::signed_in(&city, host.phone);
    let paper = browser.get("/code/paper/1");
    assert!(paper.status == 200 && paper.body.contains("家人"), "the host prints it: {}", paper.body);
}
