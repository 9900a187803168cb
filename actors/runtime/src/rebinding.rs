//! Protection of loopback ports against DNS rebinding: a page of another site, whose name resolves to this machine, sends that name
//! in `Host` and is refused. Ports on other addresses are protected by their network.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{StatusCode, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};

/// Reports whether a request with this `Host` is addressed to this machine: to an IP address, which needs no DNS, or to `localhost`.
/// True without a `Host`, since browsers always send one.
pub fn is_local(host: Option<&str>) -> bool {
    let Some(host) = host else { return true };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    };
    let name = name.unwrap_or_default();
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok()
}

/// Passes on requests that [`is_local`] accepts; answers others with 421.
///
/// # Errors
/// The error of the next service.
pub async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let host = request.headers().get(header::HOST);
    if is_local(host.map(|host| host.to_str().unwrap_or_default())) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let refused = HttpResponse::build(StatusCode::MISDIRECTED_REQUEST)
        .body("use this port's IP address or localhost in the URL\n");
    Ok(request.into_response(refused).map_into_right_body())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_another_site_could_have_is_turned_away() {
        for (host, expected) in [
            (None, true),
            (Some("localhost:9464"), true),
            (Some("LOCALHOST"), true),
            (Some("127.0.0.1:9464"), true),
            (Some("[::1]:9464"), true),
            (Some("evil.example:9464"), false),
            (Some("localhost.evil.example"), false),
            (Some("127.0.0.1.evil.example"), false),
            (Some("[evil.example]"), false),
            (Some(""), false),
        ] {
            assert_eq!(is_local(host), expected, "{host:?}");
        }
    }
}
