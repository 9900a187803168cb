//! One host, one network or one phone that takes as much as possible of the TCP ports and the pages: all others are answered as before.

use std::net::{SocketAddr, TcpStream};

use loadtest::http::{self, Connection};
use tests::https::Client;
use tests::web::{Browser, PROXY, Request};
use tests::{City, block_on, http_get};

fn idle_sockets(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| TcpStream::connect(address).expect("the system takes it")).collect()
}

#[test]
fn idle_sockets_shut_neither_enrolment_nor_the_pages_nor_the_metrics() {
    let city = City::start(100, 1);
    let fleet = city.fleet();
    let pages = fleet.pages.expect("a development city has pages");
    let idle: Vec<_> = [(fleet.enrol, 260), (pages, 260), (fleet.http, 60)]
        .map(|(port, count)| idle_sockets(port, count))
        .into();
    let authority = std::fs::read_to_string(&fleet.ca).expect("the authority");
    let client = Client { authority: &authority, identity: None };
    let (status, answer) = client.post(fleet.enrol, "/renew/1", "{\"csr\":\"\"}").expect("an answer");
    assert_eq!(status, 403, "{answer}");
    assert_eq!(Browser::new(&city).get("/").status, 200);
    assert!(city.get("/ready").is_some_and(|(status, _)| status == 200));
    assert!(city.metric("changtong_limited_total", "pages-client") > 0.0);
    drop(idle);
}

#[test]
fn a_name_that_leads_here_by_another_sites_doing_is_asked_nothing() {
    let city = City::start(100, 1);
    let port = city.fleet().http;
    for path in ["/metrics", "/overview.json", "/dev/sms"] {
        let request = http::get("evil.example", path);
        let asked = async { Connection::open(port, None).await?.send(request).await };
        assert_eq!(http::block_on(asked).expect("an answer").status(), 421, "{path}");
        assert!(http_get(port, path).is_some_and(|(status, _)| status == 200), "{path}");
    }
}

/// Asks the pages for something as the proxy, for a client that is elsewhere.
async fn ask_from(proxy: &mut Connection, client: &str, path: &str) -> u16 {
    let request = http::with(http::get("localhost", path), "x-forwarded-for", client);
    proxy.send(request).await.expect("an answer").status().as_u16()
}

#[test]
fn a_48_that_asks_without_end_is_refused_and_others_behind_the_same_proxy_are_not() {
    let city = City::start(100, 1);
    let pages = city.fleet().pages.expect("a development city has pages");
    let connect = async || Connection::open(pages, Some(PROXY)).await.expect("it listens");
    block_on(async {
        let (mut proxy, mut refused) = (connect().await, 0);
        while ask_from(&mut proxy, &format!("2001:db8:7:{refused:x}::1"), "/s/none").await != 429 {
            refused += 1;
            assert!(refused < 20_000, "a network has its share, and no more");
        }
        assert!(refused >= 1_500, "and that it has: {refused}");
        assert_eq!(ask_from(&mut connect().await, "2001:db8:8::1", "/").await, 200);
    });
}

#[test]
fn who_knows_a_number_does_not_lock_its_owner_out() {
    let city = City::start(100, 1);
    let phone = "16300000042";
    let owner = Browser::signed_in(&city, phone);
    drop(owner);
    let asked = [(); 2].map(|()| {
        let mut stranger = Browser::new(&city);
        let token = stranger.token("/in");
        stranger.post("/in", &[("token", &token), ("phone", phone), ("next", "/")]).status
    });
    assert_eq!(asked, [303, 429], "one code a minute for strangers of one network");
}

#[test]
fn a_travel_page_that_was_not_given_is_none() {
    let city = City::start(100, 1);
    let mut browser = Browser::signed_in(&city, "16300000007");
    let token = browser.token("/apply");
    let made_up = ["place-00000000000000000000000000000001", "modify-0000000000000001"];
    for page in made_up {
        assert_eq!(browser.get(&format!("/travel/{page}")).status, 404, "{page}");
        for act in ["ask", "receipt", "look", "withdraw"] {
            let path = format!("/travel/{page}/{act}");
            let answer = browser.post(&path, &[("token", &token), ("agree", "yes")]);
            assert_eq!(answer.status, 404, "{path}");
        }
    }
    assert_eq!(city.metric("changtong_bound_entries", "visits"), 0.0, "nothing is kept of it");
    let asked = |browser: &mut Browser| {
        browser.post("/travel/apply/ask", &[("token", &token), ("agree", "yes")]);
        tests::wait_for("an end of it", || {
            let page = browser.get("/travel/apply").body;
            (!page.contains(" data-waits")).then_some(page)
        })
    };
    let gave = (0..8).filter(|_| {
        let page = asked(&mut browser);
        let came = page.contains("data-outcome");
        browser.post("/travel/apply/withdraw", &[("token", &token)]);
        came
    });
    assert_eq!(gave.count(), 6, "consents of one phone");
    assert!(city.metric("changtong_limited_total", "consents-phone") > 0.0);
    let mut other = Browser::signed_in(&city, "16300000008");
    let request = Request { method: "GET", path: "/travel/apply", headers: &[], body: b"" };
    assert_eq!(other.send(&request).expect("an answer").status, 200);
}
