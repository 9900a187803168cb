//! The live overview of a gateway in a real browser: it shows the metrics' values, reports a gateway that is gone, and comes back
//! by itself. `tests/browser/overview.mjs` drives the browser; this file carries out its orders to the city.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use tests::walk::{Crew, device, endpoint};
use tests::{City, block_on, browser, deadline, http_get};

/// Samples of a city in which people pass, before it is quiet again.
const SAMPLES: usize = 3;

/// Ends the receiver of orders at the end of the test.
struct End(SocketAddr);

impl Drop for End {
    fn drop(&mut self) {
        let _ = http_get(self.0, "/end");
    }
}

#[test]
fn the_overview_shows_what_the_metrics_say_and_outlives_the_gateway() {
    let mut city = City::start(500, 6);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let orders = listener.local_addr().expect("an address");
    let overview = format!("http://{}", city.fleet().http);
    let variables = [
        ("CITY_PAGES", overview.clone()),
        ("CITY_HTTP", overview),
        ("CITY_PROGRAM", tests::binary().display().to_string()),
        ("CITY_DATA", city.data().display().to_string()),
        ("CITY_ORDERS", format!("http://{orders}")),
    ];
    std::thread::scope(|scope| {
        let _end = End(orders);
        scope.spawn(|| take_orders(&listener, &mut city));
        browser::run(env!("CARGO_TARGET_TMPDIR"), "overview.mjs", &variables);
    });
}

/// Carries out the browser's orders, one after the other.
fn take_orders(listener: &TcpListener, city: &mut City) {
    for stream in listener.incoming() {
        let mut stream = stream.expect("a connection on loopback");
        let answer = match path(&stream).as_str() {
            "/walk" => walk(city),
            "/kill" => {
                city.kill();
                json!({})
            }
            "/start" => {
                city.restart();
                json!({})
            }
            "/end" => return,
            other => panic!("no such order: {other}"),
        };
        let body = answer.to_string();
        let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        let _ = stream.write_all((head + &body).as_bytes());
    }
}

fn path(stream: &TcpStream) -> String {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    // The rest of the head is read, or the answer might be lost with it.
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    first.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// Sends punches and verifies codes until the overview shows them; returns their numbers.
fn walk(city: &City) -> Value {
    block_on(async {
        let fleet = city.fleet();
        let crew = Crew::start(&fleet, 0..3);
        let mut gate = device(&endpoint(&fleet), &fleet, 4);
        let (_, region) = fleet.devices[4].places().next().expect("a place");
        let (mut verified, end) = (0, deadline());
        while samples(city) < SAMPLES {
            assert!(runtime::clock::now() < end, "the overview has seen nobody");
            let scans = vec![protocol::Scanned::Nothing; 3];
            verified += scans.len();
            gate.verify(region, scans).await.expect("verdicts");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let done = crew.end().await;
        let punched: u64 = done.iter().map(|walker| walker.progress().acknowledged).sum();
        json!({"punches": punched, "verifies": verified})
    })
}

/// Returns the number of samples that count people.
fn samples(city: &City) -> usize {
    let (_, body) = city.get("/overview.json").expect("it answers");
    let answer: Value = serde_json::from_str(&body).expect("JSON");
    let columns = answer["columns"].as_array().expect("columns");
    let of = |what: &str| {
        let named = move |name: &&Value| name.as_str().is_some_and(|name| name.starts_with(what));
        columns.iter().enumerate().filter(move |(_, name)| named(name)).map(|(at, _)| at).collect::<Vec<_>>()
    };
    let (punches, verifies) = (of("punches."), of("verifies."));
    let some =
        |row: &Value, of: &[usize]| of.iter().any(|at| row[2][at].as_f64().is_some_and(|rate| rate > 0.0));
    let rows = answer["rows"].as_array().expect("rows").iter();
    rows.filter(|row| some(row, &punches) && some(row, &verifies)).count()
}
