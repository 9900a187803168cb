//! A simulated carrier's travel page, as the notice describes it: phone number, code by SMS, trajectory. No message is sent; the
//! page shows its text. Only made-up numbers are answered.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use policy::place_names::name_zh;
use policy::trajectory::{CarrierAnswer, Days, day_of, days_after};
use runtime::clock;
use serde::Deserialize;

use super::carrier::Carrier;
use super::numbers::{MadeUpNumber, SimulatedCarrier};

/// The path below the carrier's base address.
const PATH: &str = "/travel";
/// The length of a code's period, seconds; the code of the period before is valid too.
const CODE_S: u64 = 300;
const WINDOW_DAYS: i32 = 14;
const STYLE: &str = "body{font:1.1rem/1.5 sans-serif;max-width:30rem;margin:1rem auto;padding:0 1rem}\
    input,button{font:inherit;width:100%;padding:.7rem;margin:.3rem 0 1rem;box-sizing:border-box}";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route(PATH, web::get().to(ask)).route(PATH, web::post().to(sent));
}

#[derive(Deserialize)]
struct TravelForm {
    phone: String,
    #[serde(default)]
    code: String,
}

async fn ask(carrier: web::Data<Carrier>) -> HttpResponse {
    page(&carrier, StatusCode::OK, &phone_form(""))
}

async fn sent(carrier: web::Data<Carrier>, sent: web::Form<TravelForm>) -> HttpResponse {
    let now_s = clock::now_s();
    let phone = sent.phone.trim();
    let Some(number) = MadeUpNumber::parse(phone) else {
        let body = phone_form(
            "只查询模拟号码（163、164、168、169开头）。 Only made-up numbers: 163, 164, 168, 169.",
        );
        return page(&carrier, StatusCode::UNPROCESSABLE_ENTITY, &body);
    };
    let code = |at_s: u64| code(carrier.seed, phone, at_s / CODE_S);
    let typed = sent.code.trim();
    if typed.is_empty() {
        return page(&carrier, StatusCode::OK, &code_form(phone, &code(now_s), ""));
    }
    if ![code(now_s), code(now_s.saturating_sub(CODE_S))].iter().any(|good| good == typed) {
        let body = code_form(phone, &code(now_s), "验证码不正确。 That is not the code.");
        return page(&carrier, StatusCode::UNPROCESSABLE_ENTITY, &body);
    }
    let today = day_of(now_s);
    let days = Days { first: days_after(today, -WINDOW_DAYS), last: days_after(today, -1) };
    let answer = carrier.world.answer(carrier.which, number, days, today);
    page(&carrier, StatusCode::OK, &said(&answer, days))
}

/// Returns the code of a number in one period.
fn code(seed: u64, phone: &str, time: u64) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("{seed} {phone} {time}").as_bytes());
    let number = u32::from_be_bytes(*digest.as_ref().first_chunk().expect("a digest is longer"));
    format!("{:06}", number % 1_000_000)
}

fn phone_form(problem: &str) -> String {
    format!(
        "<p role=\"alert\">{problem}</p><form method=\"post\"><label>手机号 Phone number<input name=\"phone\" type=\"tel\" \
         inputmode=\"numeric\" maxlength=\"11\" required></label><button>获取验证码 Send the code</button></form>"
    )
}

fn code_form(phone: &str, code: &str, problem: &str) -> String {
    format!(
        "<p role=\"alert\">{problem}</p><p>模拟短信 Simulated SMS: <b data-code>{code}</b></p><form method=\"post\"><input type=\"hidden\" \
         name=\"phone\" value=\"{phone}\"><label>验证码 Code<input name=\"code\" inputmode=\"numeric\" maxlength=\"6\" required></label>\
         <button>查询 Look up</button></form>"
    )
}

/// Renders the trajectory in the words of carriers' pages: places, no colours.
fn said(answer: &CarrierAnswer, days: Days) -> String {
    let (text, list) = match answer {
        CarrierAnswer::Trajectory(trajectory) => {
            let mut areas: Vec<String> = Vec::new();
            for visit in &trajectory.visits {
                let name = name_zh(visit.area);
                if !areas.contains(&name) {
                    areas.push(name);
                }
            }
            let list = areas.iter().map(|name| format!("<li>{name}</li>")).collect::<String>();
            ("您于前14天到达或途经 You were in, or passed through:", list)
        }
        CarrierAnswer::NotSubscriber => ("不是本运营商的号码。 Not this carrier's number.", String::new()),
        CarrierAnswer::NewNumber | CarrierAnswer::Unanswerable | CarrierAnswer::Unavailable(_) => {
            ("这个号码没有行程记录。 There is no record of this number.", String::new())
        }
    };
    format!("<p>{} – {}</p><p data-said>{text}</p><ul>{list}</ul>", days.first, days.last)
}

fn page(carrier: &Carrier, status: StatusCode, body: &str) -> HttpResponse {
    let (name, name_zh) = SimulatedCarrier::names(carrier.which);
    let page = format!(
        "<!DOCTYPE html><html lang=\"zh-CN\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{name_zh}</title><style>{STYLE}</style><h1>{name_zh} {name}</h1><p>模拟运营商的行程查询页。 A simulated carrier's travel page.</p>{body}</html>"
    );
    HttpResponse::build(status).content_type("text/html; charset=utf-8").body(page)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actix_web::App;
    use actix_web::test as served;

    use super::super::carrier::Consents;
    use super::super::demo_people;
    use super::super::fault::Latency;
    use super::super::subscriber::World;
    use super::super::wire::RequestVerifier;
    use super::*;

    /// Posts these fields to China Mobile's page; returns status and page.
    async fn said_to(fields: &[(&str, &str)]) -> (StatusCode, String) {
        let world = (7, Arc::new(World::new(7)));
        let gate = RequestVerifier::new("key", b"secret");
        let (which, latency) = (SimulatedCarrier::Mobile, Latency { median_ms: 0, sigma: 0.0, max_ms: 0 });
        let carrier =
            web::Data::new(Carrier::new(which, world, latency, Arc::new(Consents::default()), gate));
        let app = served::init_service(App::new().app_data(carrier).configure(routes)).await;
        let request = served::TestRequest::post().uri(PATH).set_form(fields).to_request();
        let answer = served::call_service(&app, request).await;
        let status = answer.status();
        (status, String::from_utf8(served::read_body(answer).await.to_vec()).unwrap())
    }

    #[test]
    fn a_number_and_its_code_show_where_the_phone_was() {
        actix_rt::System::new().block_on(async {
            let person = demo_people().iter().find(|person| person.case == "thirty hours in Wuhan").unwrap();
            let (status, _) = said_to(&[("phone", "13800138000")]).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "a number that could be somebody's");
            let (status, page) = said_to(&[("phone", person.phone)]).await;
            let code = page.split("data-code>").nth(1).and_then(|rest| rest.get(..6)).unwrap().to_owned();
            assert_eq!((status, page.contains("武汉")), (StatusCode::OK, false), "not before the code");
            let wrong = if code == "000000" { "000001" } else { "000000" };
            let (status, page) = said_to(&[("phone", person.phone), ("code", wrong)]).await;
            assert_eq!((status, page.contains("武汉")), (StatusCode::UNPROCESSABLE_ENTITY, false));
            let (_, page) = said_to(&[("phone", person.phone), ("code", &code)]).await;
            assert!(page.contains("武汉") && page.contains("data-said"), "{page}");
        });
    }
}
