//! The cost of a long history: `cargo run --release -p actors --example registry_history -- DECISIONS DUE`. Receipts among so many
//! decisions, four at once, and a page's read beside them; then a midnight at which so many colours end, with forms beside it.

#![allow(clippy::print_stdout, reason = "this is what the example is for")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use actors::registrar::{Form, Registrar, RegistrarConfig, RegistrarHandle, SubmitForm};
use actors::sms::{Asker, SessionId, SmsCodes, SmsLimits};
use keys::Keys;
use policy::{Policy, PolicyInEffect};
use protocol::{Basis, Class, CodeId, Colour};
use registry::audit::{Hash, Node, Tree, leaf_hash, prove};
use registry::colours::{CodeEntry, Codes};
use registry::{DocumentKind, DocumentNumber, Person, Phone, Registry};
use runtime::clock;
use rusqlite::Connection;

/// Time for which receipts are asked for.
const ASKED: Duration = Duration::from_secs(5);
/// Receipts at once.
const CLICKS: usize = 4;

fn form(n: u32, codes: &mut SmsCodes, now_s: u64) -> Form {
    let document = DocumentNumber::parse(DocumentKind::Passport, &format!("MADEUP{n}")).expect("a passport");
    let phone = Phone::parse(&format!("163{n:08}")).expect("a made-up number");
    let asker = Asker { session: SessionId([7; 16]), client: n.to_be_bytes().into(), known: true };
    let sent = codes.request(asker, &phone, u64::from(n), now_s).expect("sent");
    let proven = codes.check(asker, &phone, sent.digits(), now_s).expect("the right code");
    let (name, district) = (format!("Made Up {n}"), "360102".to_owned());
    let person = Person { name, document, phone, district, community: String::new() };
    Form { person, declared: Some(true), consent: None, proven, guardian: None, along: false }
}

fn policy() -> Policy {
    Policy::development()
}

/// Adds made-up decisions behind the existing ones, without their tree.
fn fill(path: &Path, decisions: u64) {
    let store = Connection::open(path).expect("the registry");
    let sql = format!(
        "INSERT INTO decisions (id, at_s, subject, from_colour, to_colour, authority, operators, policy, leaf)
            WITH RECURSIVE n (n) AS (SELECT max(id) + 1 FROM decisions UNION ALL SELECT n + 1 FROM n WHERE n < {decisions})
            SELECT n, n, randomblob(32), 1, 2, 'clock', '', '', randomblob(32) FROM n;
        DELETE FROM nodes; PRAGMA wal_checkpoint(TRUNCATE);"
    );
    store.execute_batch(&sql).expect("made-up decisions");
}

/// Makes the receipt of before the tree was kept, which reads every leaf from the first.
fn by_every_leaf(store: &Connection) -> usize {
    let mut query = store.prepare("SELECT leaf FROM decisions ORDER BY id").expect("a statement");
    let leaves = query.query_map([], |row| row.get::<_, Hash>(0)).expect("rows");
    let leaves: Vec<Hash> = leaves.map(|leaf| leaf.expect("a leaf")).collect();
    let whole = |node: Node| -> Result<Hash, ()> {
        let (mut tree, range) = (Tree::default(), node.leaves());
        leaves[range.start as usize..range.end as usize].iter().for_each(|&leaf| tree.push(leaf, |_, _| ()));
        Ok(tree.root())
    };
    prove(leaves.len() as u64, 0, whole).expect("leaves").expect("a path").len()
}

fn at(sorted_ms: &[f64], share: f64) -> f64 {
    sorted_ms[((sorted_ms.len() - 1) as f64 * share) as usize]
}

/// Makes receipts on four threads; beside them a page is read every 2 ms.
fn beside(name: &str, registry: &Registry, code: CodeId, click: &(impl Fn(&Registry) + Sync)) {
    let (over, clicks) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut pages_ms = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..CLICKS {
            let (reader, over, clicks) = (registry.reader().expect("a reader"), &over, &clicks);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    click(&reader);
                    clicks.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let (mut reader, codes, begun) = (registry.reader().expect("a reader"), Codes::new(0), clock::now());
        while clock::since(begun) < ASKED {
            let page = clock::now();
            let registrar = Registrar::new(&mut reader, &codes, Arc::new(policy()));
            registrar.why(code).expect("read").expect("a code");
            pages_ms.push(clock::since(page).as_secs_f64() * 1000.0);
            std::thread::park_timeout(Duration::from_millis(2));
        }
        over.store(true, Ordering::Relaxed);
    });
    pages_ms.sort_unstable_by(f64::total_cmp);
    let clicks = clicks.into_inner() as f64 / ASKED.as_secs_f64();
    println!(
        "  {name:<12}{clicks:>10.1} receipts/s; a page's read p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
        at(&pages_ms, 0.5),
        at(&pages_ms, 0.99),
        at(&pages_ms, 1.0)
    );
}

fn receipts(path: &Path, keys: &Keys, decisions: u64, code: CodeId) -> Registry {
    fill(path, decisions);
    let begun = clock::now();
    let mut registry = Registry::open(path, keys).expect("a registry");
    println!(
        "{decisions} decisions; their tree is added once, in {:.1} s",
        clock::since(begun).as_secs_f64()
    );
    registry.checkpoint(keys.signing_pkcs8(), clock::now_s()).expect("signed");
    let steps = registry.signed_receipt(code).expect("read").expect("a receipt").path.len();
    println!("  a receipt's path has {steps} steps");
    beside("nothing", &registry, code, &|_: &Registry| std::thread::park_timeout(Duration::from_millis(2)));
    beside("kept tree", &registry, code, &|reader: &Registry| {
        drop(reader.signed_receipt(code).expect("read"))
    });
    beside("every leaf", &registry, code, &|_: &Registry| {
        assert_eq!(by_every_leaf(&Connection::open(path).expect("the registry")), steps);
    });
    registry
}

/// Inserts `due` codes without a holder whose next change is due.
fn insert_due(path: &Path, due: u64) {
    let store = Connection::open(path).expect("the registry");
    let entry = CodeEntry::new(Colour::Red, Basis::Declared, Class::Imported, 100, 1);
    store.execute_batch("BEGIN").expect("begun");
    let mut insert = store
        .prepare("INSERT INTO codes (id, tags, next_change_s) VALUES (?1, ?2, 100)")
        .expect("a statement");
    for n in 1..=due {
        let code = CodeId::issue(1, leaf_number(n)).expect("a code");
        insert.execute((code.get() as i64, entry.to_tags())).expect("inserted");
    }
    store.execute_batch("COMMIT").expect("durable");
}

/// Returns a number spread like a random code's.
fn leaf_number(n: u64) -> u64 {
    let hash = leaf_hash(&n.to_le_bytes());
    u64::from_le_bytes(*hash.first_chunk().expect("eight bytes"))
}

fn midnight(registry: Registry, path: &Path, keys: &Keys, due: u64, sms: &mut SmsCodes) {
    insert_due(path, due);
    let codes = Codes::new(due as usize);
    codes.set_loaded();
    let config =
        RegistrarConfig { signing_pkcs8: keys.signing_pkcs8().to_vec().into(), ..Default::default() };
    let begun = clock::now();
    let in_effect = PolicyInEffect::new(policy());
    let (handle, front) =
        RegistrarHandle::start(registry, codes.clone(), in_effect, config).expect("a thread");
    let (mut waits_ms, mut n) = (Vec::new(), 100);
    while (codes.len() as u64) < due {
        let now_s = clock::now_s();
        let (form, sent) = (form(n, sms, now_s), clock::now());
        handle.act_blocking(SubmitForm { form, now_s }).expect("taken");
        waits_ms.push(clock::since(sent).as_secs_f64() * 1000.0);
        n += 1;
        std::thread::park_timeout(Duration::from_millis(10));
    }
    let seconds = clock::since(begun).as_secs_f64();
    front.stop().expect("ends well");
    waits_ms.sort_unstable_by(f64::total_cmp);
    println!(
        "{due} colours end in {seconds:.1} s; {} forms beside it wait p50 {:.1} ms, p99 {:.1} ms, at most {:.1} ms",
        waits_ms.len(),
        at(&waits_ms, 0.5),
        at(&waits_ms, 0.99),
        at(&waits_ms, 1.0)
    );
}

fn main() {
    let number = |at, otherwise: u64| {
        std::env::args().nth(at).map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let (decisions, due) = (number(1, 2_000_000), number(2, 500_000));
    // Beside the program: a temporary directory may be in memory, where a sync costs nothing.
    let beside = std::env::current_exe().expect("a program has a place");
    let directory = tempfile::tempdir_in(beside.parent().expect("in a directory")).expect("a directory");
    Keys::init(&directory.path().join("keys")).expect("keys");
    let keys = Keys::load(&directory.path().join("keys")).expect("keys");
    let path = directory.path().join("registry.db");
    let mut sms = SmsCodes::new(&keys, SmsLimits::default());
    let (now_s, codes) = (clock::now_s(), Codes::new(1));
    let mut registry = Registry::open(&path, &keys).expect("a registry");
    let first = form(1, &mut sms, now_s);
    let taken =
        Registrar::new(&mut registry, &codes, Arc::new(policy())).submit(&first, now_s).expect("taken");
    drop(registry);
    let registry = receipts(&path, &keys, decisions, taken.code);
    midnight(registry, &path, &keys, due, &mut sms);
}
