//! The application of a unit for a place code: its form, and the state of the visitor's applications. An operator decides on it. A form
//! that is sent twice is one application.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::{Error, web};
use actors::registrar::{ApplyForUnit, Registrar, RegistrarError};
use actors::residence::{NAME_CHARS_MAX, visible};
use actors::sms::ProvenPhone;
use maud::{Markup, html};
use policy::PlaceKind;
use protocol::RegionId;
use registry::{Holder, PlaceRow, RegionRow, UnitRow, UnitState};
use serde::Deserialize;

use crate::portal::http::extract::{Answer, OwnForm, SignedIn};
use crate::portal::http::layout::{beside, notice, wrongs};
use crate::portal::http::visitor::Visitor;
use crate::portal::http::when;
use crate::portal::http::words::{both, line};
use crate::portal::place;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/unit", web::get().to(show)).route("/unit", web::post().to(send));
}

/// The data of the page.
struct Known {
    regions: Vec<RegionRow>,
    units: Vec<(UnitRow, Option<PlaceRow>)>,
}

fn know(
    registrar: &Registrar<'_>,
    holder: &Holder,
    proven: &ProvenPhone,
    now_s: u64,
) -> Result<Known, RegistrarError> {
    let with_place = |unit: UnitRow| {
        let place = unit.place.map(|place| registrar.place(place)).transpose()?.flatten();
        Ok::<_, RegistrarError>((unit, place))
    };
    let units = registrar.units_of(holder.code, proven, now_s)?.into_iter().map(with_place);
    Ok(Known { regions: registrar.regions()?, units: units.collect::<Result<_, _>>()? })
}

/// Reads the applicant, who has an own code.
fn applicant(visitor: &SignedIn) -> Result<Holder, Error> {
    let holders = place::holders(visitor, "/unit")?;
    holders.into_iter().find(|holder| !holder.is_ward).ok_or_else(|| {
        let body =
            html! { (notice("unit-no-code")) a.button href="/apply" { (both("place-no-code-apply")) } };
        visitor.refused(StatusCode::FORBIDDEN, "unit-title", &body)
    })
}

/// Shows the visitor's applications, and the form of another.
async fn show(visitor: SignedIn) -> Answer {
    let applicant = applicant(&visitor)?;
    draw(&visitor, &applicant, &UnitForm::default(), None)
}

fn draw(visitor: &SignedIn, applicant: &Holder, typed: &UnitForm, problem: Option<&str>) -> Answer {
    let known = visitor.portal.read(|registrar| know(registrar, applicant, &visitor.proven, visitor.now_s));
    let Some(Ok(known)) = known else { return Err(place::busy(visitor, "/unit")) };
    let body = html! {
        p { (both("unit-what")) }
        @if let Some(key) = problem { (wrongs(&[(field_of(key), both(key))])) }
        @if !known.units.is_empty() { (list(&known)) }
        (form(visitor, &known.regions, typed, problem))
    };
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(visitor.page_with(status, visitor.frame(), "unit-title", &body))
}

fn list(known: &Known) -> Markup {
    html! {
        section.card {
            h2 { (both("unit-mine")) }
            ul.list {
                @for (unit, place) in &known.units {
                    li data-state=(unit.state.name()) {
                        b translate="no" { (unit.name) } " " span.tag { (line(state_key(unit.state))) }
                        p.hint { (line(kind_key(unit.kind))) " · " (when::minute(unit.applied_s)) }
                        @if let Some(link) = place.as_ref().and_then(|place| place.link) {
                            a.button.quiet href={ "/place/" (link.to_text()) "/poster" } { (both("unit-poster")) }
                        }
                    }
                }
            }
        }
    }
}

fn form(visitor: &Visitor, regions: &[RegionRow], typed: &UnitForm, problem: Option<&str>) -> Markup {
    let kinds = PlaceKind::ALL.iter().filter(|kind| kind.is_unit());
    let wrong = |field: &str| problem.filter(|key| field_of(key) == field).map(both);
    let (wrong_name, wrong_kind, wrong_region) = (wrong("name"), wrong("kind"), wrong("region"));
    html! {
        form.card method="post" action="/unit" novalidate {
            (visitor.field())
            label for="name" { (both("unit-name")) }
            input #name type="text" name="name" value=(typed.name) maxlength=(NAME_CHARS_MAX) required
                aria-describedby=[wrong_name.as_ref().map(|_| "name-wrong")] aria-invalid=[wrong_name.as_ref().map(|_| "true")];
            (beside("name", wrong_name.as_ref()))
            label for="kind" { (both("unit-kind")) }
            select #kind name="kind" required aria-describedby=[wrong_kind.as_ref().map(|_| "kind-wrong")]
                aria-invalid=[wrong_kind.as_ref().map(|_| "true")] {
                @for kind in kinds { option value=(kind.name()) selected[kind.name() == typed.kind] { (line(kind_key(*kind))) } }
            }
            (beside("kind", wrong_kind.as_ref()))
            label for="region" { (both("unit-region")) }
            select #region name="region" required aria-describedby=[wrong_region.as_ref().map(|_| "region-wrong")]
                aria-invalid=[wrong_region.as_ref().map(|_| "true")] {
                @for region in regions {
                    option value=(region.id) selected[region.id.to_string() == typed.region] { (region.name) " " (region.name_en) }
                }
            }
            (beside("region", wrong_region.as_ref()))
            button type="submit" { (both("unit-send")) }
        }
    }
}

/// Names the field that a problem is about.
fn field_of(key: &str) -> &'static str {
    match key {
        "unit-name-wrong" => "name",
        "unit-kind-wrong" => "kind",
        "unit-region-wrong" => "region",
        _ => "",
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UnitForm {
    name: String,
    kind: String,
    region: String,
}

/// Takes the application of the visitor's unit; an operator decides.
async fn send(OwnForm { sender: visitor, fields: form, .. }: OwnForm<UnitForm, SignedIn>) -> Answer {
    let holder = applicant(&visitor)?;
    let again = |key| draw(&visitor, &holder, &form, Some(key));
    let Some(name) = visible(&form.name).map(Cow::into_owned) else {
        return again("unit-name-wrong");
    };
    let Some(kind) = PlaceKind::from_name(&form.kind).filter(|kind| kind.is_unit()) else {
        return again("unit-kind-wrong");
    };
    let Ok(region) = form.region.parse().map(RegionId) else {
        return again("unit-region-wrong");
    };
    let (code, proven, now_s) = (holder.code, visitor.proven.clone(), visitor.now_s);
    let apply = ApplyForUnit { applicant: code, proven, region, kind, name, now_s };
    match visitor.portal.registrar.act(apply).await {
        Ok(()) => Ok(visitor.go("/unit")),
        Err(RegistrarError::Person(_)) => again("unit-too-many"),
        Err(error) => {
            tracing::warn!(%error, "a unit's application was not taken");
            Err(place::busy(&visitor, "/unit"))
        }
    }
}

const fn state_key(state: UnitState) -> &'static str {
    match state {
        UnitState::Open => "unit-open",
        UnitState::Approved => "unit-approved",
        UnitState::Refused => "unit-refused",
    }
}

const fn kind_key(kind: PlaceKind) -> &'static str {
    match kind {
        PlaceKind::Checkpoint => "kind-checkpoint",
        PlaceKind::Workplace => "kind-workplace",
        PlaceKind::Compound => "kind-compound",
        PlaceKind::Village => "kind-village",
        PlaceKind::Building => "kind-building",
        PlaceKind::Vehicle => "kind-vehicle",
        PlaceKind::School => "kind-school",
        PlaceKind::Hospital => "kind-hospital",
        PlaceKind::Station => "kind-station",
        PlaceKind::Market => "kind-market",
    }
}
