//! Receipts of consents from citizens' own pages, which show them after a check-in and a consent. Each is valid for
//! two minutes, so those of a longer run are renewed meanwhile. Devices use them.

use std::time::{Duration, Instant};

use device::clock;

use super::Receipt;
use super::browser::Browser;
use super::error::BrowserError;
use super::{Citizens, Refusal};
use crate::http::Connection;

/// The age up to which a receipt is handed out. It is valid for two minutes, so there is time left for the query.
const GOOD: Duration = Duration::from_secs(100);
/// The age at which a receipt is renewed.
const RENEW_AFTER: Duration = Duration::from_secs(60);
/// The interval between two checks of the ages, and after a failure.
const LOOK: Duration = Duration::from_secs(1);

/// A receipt on a citizen's page.
pub(super) struct Shown {
    /// The citizen's index.
    owner: u32,
    /// The visit's id in the travel module's path.
    visit: String,
    receipt: Receipt,
    drawn: Instant,
}

impl Citizens {
    /// Takes a receipt that is not used yet and has 20 seconds or more left.
    pub fn take_receipt(&self) -> Option<Receipt> {
        let mut receipts = self.receipts.borrow_mut();
        let at = receipts.iter().position(|shown| clock::since(shown.drawn) < GOOD)?;
        receipts.remove(at).map(|shown| shown.receipt)
    }

    /// Renews receipts as they grow old, until the future is dropped. Runs of more than a minute need it.
    pub(crate) async fn keep_receipts(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            // What fails is old the next time, too.
            let _ = self.renew_receipts(RENEW_AFTER).await;
        }
    }

    /// Renews receipts that are older than `age_max`. A receipt whose consent is over gets another consent.
    ///
    /// # Errors
    /// The reason of the first failure; that receipt and those after it stay as they are.
    pub async fn renew_receipts(&self, age_max: Duration) -> Result<(), Refusal> {
        let count = self.receipts.borrow().len();
        for _ in 0..count {
            let is_old = |shown: &mut Shown| clock::since(shown.drawn) > age_max;
            let Some(old) = self.receipts.borrow_mut().pop_front_if(is_old) else { return Ok(()) };
            let renewed = match self.renew(&old, self.kept.take(old.owner)).await {
                Err(error) if error.is_loss() => self.renew(&old, None).await,
                renewed => renewed,
            };
            match renewed {
                Ok(fresh) => self.receipts.borrow_mut().push_back(fresh),
                Err(error) => {
                    self.receipts.borrow_mut().push_front(old);
                    return Err(Refusal::of(&error));
                }
            }
        }
        Ok(())
    }

    async fn renew(&self, old: &Shown, kept: Option<Connection>) -> Result<Shown, BrowserError> {
        let mut browser = self.browser(old.owner, kept).await?;
        let drawn = clock::now();
        let receipt = match browser.receipt(&old.visit).await? {
            Some(receipt) => Shown { visit: old.visit.clone(), receipt, drawn, ..*old },
            None => self.consent_in(&mut browser, old.owner).await?,
        };
        self.kept.keep(old.owner, browser.end().0);
        Ok(receipt)
    }

    /// Makes a new consent of that citizen and returns its receipt.
    pub(super) async fn consent(&self, owner: u32) -> Result<Shown, BrowserError> {
        let mut browser = self.browser(owner, self.kept.take(owner)).await?;
        let shown = self.consent_in(&mut browser, owner).await?;
        self.kept.keep(owner, browser.end().0);
        Ok(shown)
    }

    async fn consent_in(&self, browser: &mut Browser, owner: u32) -> Result<Shown, BrowserError> {
        // A query at a gate is a passage's: the citizen checks in first, and consents on the page of that.
        let link = &self.places[owner as usize % self.places.len()];
        let visit = browser.check_in(link).await?;
        browser.consent(&visit).await?;
        let drawn = clock::now();
        let receipt = browser.receipt(&visit).await?;
        let receipt = receipt.ok_or_else(|| BrowserError::WrongPage { path: "/travel".to_owned() })?;
        Ok(Shown { owner, visit, receipt, drawn })
    }

    /// Resumes that citizen's browser, on a new connection if none was kept.
    async fn browser(&self, owner: u32, kept: Option<Connection>) -> Result<Browser, BrowserError> {
        let citizen = self.citizen(owner);
        let connection = match kept {
            Some(connection) => connection,
            None => self.connect(&citizen).await?,
        };
        Ok(Browser::resume(connection, self.pages.get(), citizen.session.clone()))
    }
}
