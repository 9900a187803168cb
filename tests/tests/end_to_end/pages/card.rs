//! A citizen's own pages over HTTP: their contents, the data that they never show, and the QR of "my code" at a gate over QUIC. The session
//! is made with the city's own keys; the browser's tests sign in.

use actors::session::Sessions;
use keys::Keys;
use protocol::token::from_text;
use protocol::{Advice, Class, CodeId, Colour, Reason, Scanned, Verdict};
use registry::Phone;
use runtime::clock;
use tests::clocks::{SetClock, minute_of};
use tests::people::{Citizen, Taken, demo, prove};
use tests::walk::{device, endpoint};
use tests::web::{Answer, Browser};
use tests::{City, block_on, wait_for};

/// Makes a browser that is signed in.
fn signed_in(city: &City, phone: &str) -> Browser {
    let keys = Keys::load(&city.data().join("keys")).expect("the city's keys");
    let (sessions, now_s) = (Sessions::new(&keys), clock::now_s());
    let phone = Phone::parse(phone).expect("a number");
    let mut session = sessions.fresh(now_s);
    session.proven = Some(prove(&keys, &phone, now_s));
    session.phone = Some(phone);
    Browser::with_cookie(city, "__Host-session", sessions.seal(&session))
}

/// Returns the text of a page's first QR, read from its dark modules as a gate's camera would.
fn qr(page: &Answer) -> String {
    let before = page.body.split_once("\" stroke=\"#000\"").expect("a QR").0;
    read_qr(before.rsplit_once("d=\"M").expect("a path").1)
}

fn is_stored(page: &Answer) -> bool {
    !page.header("cache-control").is_some_and(|value| value.contains("no-store"))
}

const SIDE: usize = 25;

/// Reads a version 2 code of level M (28 data codewords in one block) with an alphanumeric text.
fn read_qr(path: &str) -> String {
    let mut dark = [[false; SIDE]; SIDE];
    for line in path.split('M') {
        let (from, runs) = line.split_once('h').expect("a run");
        let (x, y) = from.split_once(' ').expect("a point");
        let mut x: usize = x.parse::<usize>().expect("a column") - 4;
        let y: usize = y.strip_suffix(".5").expect("half").parse::<usize>().expect("a row") - 4;
        for run in runs.split('h') {
            let (long, gap) = run.split_once("m").unwrap_or((run, "0 0"));
            let long: usize = long.parse().expect("a length");
            dark[y][x..x + long].fill(true);
            x += long + gap.strip_suffix(" 0").expect("a gap").parse::<usize>().expect("a gap");
        }
    }
    // The mask stands in the format bits beside the upper left finder, under a mask of its own: 101.
    let mask = [2, 3, 4].iter().fold(0, |mask, &x| mask << 1 | u8::from(dark[8][x])) ^ 0b101;
    let masked = |x: usize, y: usize| match mask {
        0 => (x + y).is_multiple_of(2),
        1 => y.is_multiple_of(2),
        2 => x.is_multiple_of(3),
        3 => (x + y).is_multiple_of(3),
        4 => (y / 2 + x / 3).is_multiple_of(2),
        5 => x * y % 2 + x * y % 3 == 0,
        6 => (x * y % 2 + x * y % 3).is_multiple_of(2),
        _ => ((x + y) % 2 + x * y % 3).is_multiple_of(2),
    };
    let function = |x: usize, y: usize| {
        let (left, top, far) = (x < 9, y < 9, SIDE - 8);
        let finder = (top && (left || x >= far)) || (left && y >= far);
        finder || x == 6 || y == 6 || ((16..21).contains(&x) && (16..21).contains(&y))
    };
    let columns = [24, 22, 20, 18, 16, 14, 12, 10, 8, 5, 3, 1];
    let mut bits = Vec::new();
    for (turn, right) in columns.into_iter().enumerate() {
        for step in 0..SIDE {
            let y = if turn % 2 == 0 { SIDE - 1 - step } else { step };
            for x in [right, right - 1] {
                if !function(x, y) {
                    bits.push(dark[y][x] ^ masked(x, y));
                }
            }
        }
    }
    let mut bits = bits.into_iter();
    let mut take = |count| (0..count).fold(0, |n, _| n << 1 | usize::from(bits.next().expect("a bit")));
    assert_eq!(take(4), 0b0010, "alphanumeric mode, which cheap scanners read best");
    let count = take(9);
    let set = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
    let mut text = String::new();
    while text.len() + 1 < count {
        let pair = take(11);
        text.extend([set[pair / 45] as char, set[pair % 45] as char]);
    }
    if text.len() < count {
        text.push(set[take(6)] as char);
    }
    text
}

fn held_up(city: &City, scanned: Scanned) -> Verdict {
    let fleet = city.fleet();
    let (_, region) = fleet.devices[0].places().next().expect("a place");
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut gate = device(&endpoint, &fleet, 0);
        gate.verify(region, vec![scanned]).await.expect("a verdict")[0]
    })
}

fn applied(city: &City, case: &str, declared: &str) -> (&'static str, Taken) {
    let person = demo(case);
    let citizen = Citizen::new(city, person.phone);
    (person.phone, citizen.apply(person.document, &["--declared", declared]).expect("submitted"))
}

#[test]
fn the_qr_of_my_code_passes_a_gate_and_expires() {
    let city = City::start(100, 1);
    let (phone, taken) = applied(&city, "clean", "false");
    let mut browser = signed_in(&city, phone);
    let page = browser.get("/code");
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains("data-colour=\"green\"") && !is_stored(&page), "{page:?}");
    let text = qr(&page);
    let verdict = held_up(&city, Scanned::Text(text.clone()));
    assert_eq!((verdict.colour, verdict.advice), (Colour::Green, Advice::Pass));
    let fresh = browser.get("/code/qr");
    assert_eq!(fresh.status, 200);
    assert!(!is_stored(&fresh));
    // Renewed in another second it is another sign, which cannot be linked to the first.
    wait_for("another sign", || (qr(&browser.get("/code/qr")) != text).then_some(()));
    // The same person's code as it was a hundred seconds ago.
    let tokens = device::tokens::Tokens::load(&city.fleet()).expect("the city's token key");
    let basis = protocol::Basis::Nothing;
    let code = CodeId::from_u64(taken.code).expect("a code");
    let person = device::tokens::Person { code, colour: Colour::Unknown, basis, class: Class::Person };
    let before_s = u32::try_from(clock::now_s()).expect("before 2106") - 100;
    let verdict = held_up(&city, tokens.scan(&person, before_s));
    assert_eq!((verdict.advice, verdict.reason), (Advice::NotAPassCode, Reason::Expired));
}

#[test]
fn codes_are_sealed_with_a_new_key_from_its_moment_on_without_another_start() {
    let mut city = City::new(100, 1);
    let set = SetClock::of(&mut city);
    city.restart();
    let (phone, _) = applied(&city, "clean", "false");
    let good_from = minute_of(clock::now_s() + 3_600);
    let (status, out, err) = city.command(&["keys", "rotate", "--good-from", &good_from]);
    assert!(status.success() && out.contains("Token key 2 is made"), "{out}{err}");
    let (_, out, _) = city.command(&["keys", "status"]);
    assert!(out.contains(&format!("good from {}", good_from.replace('T', " "))), "{out}");
    assert!(city.terminate().success(), "{}", city.log());
    city.restart();
    let mut browser = signed_in(&city, phone);
    let mut key = || from_text(&qr(&browser.get("/code"))).expect("a token")[1];
    assert_eq!(key(), 1);
    set.set(3_600);
    wait_for("a code under the new key", || (key() == 2).then_some(()));
    let verdict = held_up(&city, Scanned::Text(qr(&signed_in(&city, phone).get("/code"))));
    assert_eq!((verdict.colour, verdict.advice), (Colour::Green, Advice::Pass));
    set.set(0);
    wait_for("a code under the key before, when the clock is set back", || (key() == 1).then_some(()));
}

#[test]
fn no_page_shows_a_code_a_phone_a_document_or_another_persons() {
    let city = City::start(100, 1);
    let (phone, taken) = applied(&city, "clean", "true");
    let mut mine = signed_in(&city, phone);
    let mut others = signed_in(&city, demo("an hour in Italy").phone);
    let document = demo("clean").document;
    for path in ["/code", "/code/qr", "/code/paper/0", "/why/0", "/looked/0", "/privacy", "/withdraw/0"] {
        let page = mine.get(path);
        assert_eq!(page.status, 200, "{path}");
        let head = format!("{:?}", page.headers);
        for hidden in [&taken.code.to_string(), phone, document] {
            assert!(!page.body.contains(hidden) && !head.contains(hidden), "{path}");
        }
        assert!(!page.body.contains("data-colour=\"green\""), "{path}: a red person's page has no green");
        let page = others.get(path);
        assert!(!page.body.contains("做试验") && !page.body.contains("data-colour"), "{path}");
    }
    assert!(mine.get("/why/0").body.contains("做试验"), "who is signed in sees their own people in full");
    let paper = mine.get("/code/paper/0").body;
    assert!(paper.contains("做＊") && !paper.contains("做试验"), "a paper that is lost names nobody");
    assert_eq!(mine.get("/why/1").status, 303, "there is no second code");
    // A form of mine in another's hands.
    let form = mine.get("/withdraw/0");
    let (token, which) = (form.value("token"), form.value("which"));
    let sent = others.post("/withdraw", &[("token", token), ("which", which), ("sure", "yes")]);
    assert_eq!(sent.status, 403);
    let privacy = others.get("/privacy");
    let token = privacy.values("token").first().copied().unwrap_or_default();
    let sent = others.post("/withdraw", &[("token", token), ("which", which), ("sure", "yes")]);
    assert_eq!(sent.status, 403);
    assert_eq!(mine.get("/code").status, 200);
}

#[test]
fn an_appeal_is_made_once_and_its_answer_has_a_name() {
    let city = City::start(100, 1);
    let (phone, _) = applied(&city, "clean", "true");
    let mut browser = signed_in(&city, phone);
    let why = browser.get("/why/0");
    let link = why.body.split_once("href=\"/why/0/appeal/").expect("a way to appeal").1;
    let decision = link.split('"').next().expect("a number");
    let form = browser.get(&format!("/why/0/appeal/{decision}"));
    let (token, which) = (form.value("token"), form.value("which"));
    let mut send = |text: &str| {
        let fields = [("token", token), ("which", which), ("decision", decision), ("text", text)];
        browser.post("/appeal", &fields)
    };
    let empty = send("");
    assert_eq!(empty.status, 422);
    assert!(empty.body.contains("words-wrong"));
    assert_eq!(send("at home").status, 303);
    assert_eq!(send("at home").status, 422, "it is under appeal already");
    assert!(browser.get("/why/0").body.contains("at home"));
    let (status, _, err) = city.command(&["appeal", "answer", "1", "--refuse", "--text", "stays as it is"]);
    assert!(status.success(), "{err}");
    let answered = browser.get("/why/0").body;
    assert!(answered.contains("stays as it is") && answered.contains("答复人"), "{answered}");
}

#[test]
fn whoever_withdraws_is_told_what_stays_and_a_reload_finds_nobody() {
    let city = City::start(100, 1);
    let (phone, taken) = applied(&city, "clean", "true");
    let mut browser = signed_in(&city, phone);
    let form = browser.get("/withdraw/0");
    let (token, which) = (form.value("token"), form.value("which"));
    assert_eq!(browser.post("/withdraw", &[("token", token), ("which", which)]).status, 422, "not ticked");
    assert_eq!(tests::people::at_the_gate(&city, taken.code).colour, Colour::Red);
    let sure = [("token", token), ("which", which), ("sure", "yes")];
    // With the cookie of before, as when the page is loaded again in a browser that lost the answer.
    let mut late = browser.clone();
    let done = browser.post("/withdraw", &sure);
    assert_eq!(done.status, 200);
    assert!(done.body.contains("仍然有效的限制原因"), "{}", done.body);
    assert_eq!(late.post("/withdraw", &sure).status, 403);
    assert!(!late.get("/code").body.contains("data-colour"));
    assert_eq!(tests::people::at_the_gate(&city, taken.code).advice, Advice::NotAPassCode);
}

#[test]
fn a_lost_paper_stops_working_and_a_new_one_works() {
    let city = City::start(100, 1);
    let (phone, _) = applied(&city, "clean", "false");
    let mut browser = signed_in(&city, phone);
    let page = browser.get("/code/paper/0");
    assert!(!page.body.contains("data-colour"), "a colour changes; paper does not");
    let fields = [("token", page.value("token")), ("which", page.value("which"))];
    let sent = browser.post("/code/paper", &fields);
    assert_eq!(sent.status, 303, "{}", sent.body);
    assert!(browser.get("/code/paper/0?withdrawn=yes").body.contains("已作废"));
}
