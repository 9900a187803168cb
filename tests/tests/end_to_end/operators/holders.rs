//! An existing holder's QR text, imported while the gateway runs, is green at the next scan.

use protocol::{Advice, Colour, Scanned};
use tests::walk::{device, endpoint};
use tests::web::Browser;
use tests::{City, block_on};

const HOLDERS: &str = "\
name,document_kind,document,phone,district,colour,basis,until,qr_text
Made Up,passport,X00000001,16300000001,Donghu,green,verified,,NEAC-0001
Made Up,passport,X00000002,16300000002,Xihu,red,verified,2099-01-01,NEAC-0002
Made Up,passport,?,16300000003,Xihu,green,verified,,NEAC-0003
";

#[test]
fn an_imported_holders_old_qr_text_verifies_at_once() {
    let city = City::start(100, 1);
    let fleet = city.fleet();
    let ask = async || {
        let endpoint = endpoint(&fleet);
        let mut device = device(&endpoint, &fleet, 0);
        let (_, region) = fleet.devices[0].places().next().expect("a place");
        let scans = ["NEAC-0001", "NEAC-0002", "NEAC-0003"].map(|text| Scanned::Text(text.to_owned()));
        let verdicts = device.verify(region, scans.to_vec()).await.expect("verdicts");
        verdicts.iter().map(|verdict| (verdict.colour, verdict.advice)).collect::<Vec<_>>()
    };
    let unknown = (Colour::Unknown, Advice::NotAPassCode);
    assert_eq!(block_on(ask()), [unknown; 3]);

    let file = city.data().join("holders.csv");
    std::fs::write(&file, HOLDERS).expect("written");
    let words = ["holders", "import", file.to_str().expect("a plain path")];
    let (status, out, err) = city.signed(1, &words);
    assert_eq!(status.code(), Some(2), "{out}{err}");
    assert!(
        err.contains("2 operator(s) with the role health"),
        "an import that sets colours needs two: {err}"
    );
    assert_eq!(block_on(ask()), [unknown; 3], "and nothing is written before");
    let (status, out, err) = city.signed(2, &words);
    assert_eq!(status.code(), Some(1), "a line was rejected: {out}{err}");
    assert!(out.contains("2 people imported, 0 already there and not changed, 1 lines rejected"), "{out}");
    let (status, out, err) = city.signed(2, &words);
    assert_eq!(status.code(), Some(1), "{out}{err}");
    assert!(out.contains("0 people imported, 2 already there and not changed, 1 lines rejected"), "{out}");
    // A text that never changes goes with the document.
    let green = (Colour::Green, Advice::CheckDocument);
    assert_eq!(block_on(ask()), [green, (Colour::Red, Advice::Stop), unknown]);
    let rejects = std::fs::read_to_string(file.with_extension("rejects.csv")).expect("a reject file");
    assert!(rejects.contains("4,document number invalid"), "{rejects}");

    let imports = city.data().join("imports");
    assert_eq!(std::fs::read_dir(imports).expect("the gateway's own").count(), 1, "it writes there alone");
    for (name, expected) in
        [("keys/pepper.key", "is where the gateway lives"), ("authority/ca.key", "is where the")]
    {
        let path = city.data().join(name).display().to_string();
        let rejects = city.data().join("none.csv").display().to_string();
        let (status, _, err) = city.signed(2, &["holders", "import", &path, "--rejects", &rejects]);
        assert!(status.code() == Some(2) && err.contains(expected), "{err}");
    }
    let key = city.data().join("keys/field.key").display().to_string();
    let before = std::fs::read(&key).expect("a key");
    let over = ["holders", "import", file.to_str().expect("a plain path"), "--rejects", &key];
    let (status, _, err) = city.signed(2, &over);
    assert!(status.code() == Some(2) && err.contains("is no reject file"), "{err}");
    assert_eq!(std::fs::read(&key).expect("a key"), before);

    let greens = city.data().join("greens.csv");
    let text: String =
        HOLDERS.lines().filter(|line| !line.contains("red")).map(|line| format!("{line}\n")).collect();
    std::fs::write(&greens, text.replace("X00000001", "X00000009").replace("NEAC-0001", "NEAC-0009"))
        .expect("written");
    let (status, out, err) = city.signed(1, &["holders", "import", greens.to_str().expect("a plain path")]);
    assert!(
        status.code() == Some(1) && out.contains("1 people imported"),
        "one that sets none takes one: {out}{err}"
    );
}

#[test]
fn a_holder_who_is_there_with_another_colour_is_named_and_counted_apart_and_stays_as_they_are() {
    let city = City::start(50, 1);
    let (one, other) = (city.data().join("one.csv"), city.data().join("other.csv"));
    let (one, other) = (one.to_str().expect("a plain path"), other.to_str().expect("a plain path"));
    let titles = HOLDERS.lines().next().expect("titles");
    let people = "\
王芳,护照,X00000001,16300000001,东湖区,绿码,已核验,,NEAC-0001
Made Up,ID-Card,39990219850102702X,16300000002,Xihu,Green,Verified,,NEAC-0002
";
    std::fs::write(one, format!("{titles}\n{people}")).expect("written");
    let changed =
        people.replace("绿码,已核验,,", "红码,已核验,2099-01-01,").replace("16300000002", "16300000003");
    std::fs::write(other, format!("{titles}\n{changed}")).expect("written");
    let (status, out, err) = city.signed(1, &["holders", "import", one]);
    assert!(status.success() && out.contains("2 people imported"), "{out}{err}");
    let rejects = city.data().join("other.rejects.csv");
    for (operators, words) in [(1, &["--dry-run"][..]), (2, &[]), (2, &["--json"])] {
        let (status, out, err) = city.signed(operators, &[&["holders", "import", other], words].concat());
        assert_eq!(status.code(), Some(1), "{out}{err}");
        let said =
            "0 already there and not changed, 2 there with other values and not changed, 0 lines rejected";
        assert!(out.contains(said) || out.contains("\"known\":0,\"differing\":2"), "{out}{err}");
        // An operator who may not look codes up learns none.
        assert!(!out.contains("code"), "{out}");
        let told = std::fs::read_to_string(&rejects).expect("what differs");
        let expected = "\
line,reason
2,there already and not changed; colour is another on record
3,there already and not changed; phone is another on record
";
        assert_eq!(told, expected);
    }
    let words = ["code", "find", "--document", "X00000001", "--document-kind", "passport", "--case", "C-1"];
    let (status, out, err) = city.signed(1, &words);
    assert!(status.success() && out.contains("green"), "{out}{err}");
}

/// Earlier systems tell people of one name apart by digits: such a name is good on the form that shows it, and no other is.
#[test]
fn who_came_with_digits_in_the_name_sends_the_form_as_it_stands() {
    let city = City::start(50, 1);
    let file = city.data().join("digits.csv");
    let titles = HOLDERS.lines().next().expect("titles");
    let line = "王伟2,passport,X00000007,16300000007,Donghu,green,verified,,NEAC-0007";
    std::fs::write(&file, format!("{titles}\n{line}\n")).expect("written");
    let (status, out, err) = city.signed(1, &["holders", "import", file.to_str().expect("a plain path")]);
    assert!(status.success(), "{out}{err}");
    let mut browser = Browser::signed_in(&city, "16300000007");
    let confirmed = browser.submit("/confirm", &[("kind", "passport"), ("number", "X00000007")]);
    assert_eq!(confirmed.status, 303, "{}", confirmed.body);
    let path = browser.get("/modify").location().to_owned();
    assert!(browser.get(&path).body.contains("value=\"王伟2\""));
    for (name, status) in [("王伟3", 422), ("王伟2", 303), ("王伟2", 303), ("王伟", 303), ("王伟2", 422)]
    {
        let sent = browser.submit(&path, &[("name", name), ("district", "360102"), ("declared", "no")]);
        assert_eq!(sent.status, status, "{name}: {}", sent.body);
    }
}
