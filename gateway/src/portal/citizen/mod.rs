//! The citizens' pages: signing in, applying, the own code and what belongs to it.

mod after;
mod appeal;
mod card;
mod digits;
mod form;
mod looked;
mod mine;
mod paper;
mod privacy;
mod sign_in;
mod why;
mod withdraw;

use actix_web::web::ServiceConfig;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.configure(sign_in::routes).configure(form::routes);
    config.configure(card::routes).configure(digits::routes).configure(paper::routes);
    config.configure(why::routes).configure(appeal::routes).configure(looked::routes);
    config.configure(privacy::routes).configure(withdraw::routes);
}
