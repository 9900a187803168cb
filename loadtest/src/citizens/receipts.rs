//! Receipts of consents, from citizens' own pages: a tick and a press, and the receipt stands there to be scanned. Each is good for
//! two minutes, so those of a longer run are drawn anew meanwhile; using them is a device's business.

use std::time::{Duration, Instant};

use device::clock;

use super::Receipt;
use super::browser::Browser;
use super::error::BrowserError;
use super::line::Line;
use super::{Citizens, Refusal};

/// The gateway gives a receipt two minutes; whoever is handed one has time left for asking.
const GOOD: Duration = Duration::from_secs(100);
/// A receipt of that age is drawn anew.
const RENEW_AFTER: Duration = Duration::from_secs(60);
/// Between two looks at their ages, and after a failure.
const LOOK: Duration = Duration::from_secs(1);

/// A receipt on a citizen's screen.
pub(super) struct Shown {
    /// Whose, by the number of the session.
    owner: u32,
    /// The state of on the pages it.
    visit: String,
    receipt: Receipt,
    drawn: Instant,
}

impl Citizens {
    /// A receipt that was not used yet, with 20 seconds or more left.
    pub fn take_receipt(&self) -> Option<Receipt> {
        let mut receipts = self.receipts.borrow_mut();
        let at = receipts.iter().position(|shown| clock::since(shown.drawn) < GOOD)?;
        receipts.remove(at).map(|shown| shown.receipt)
    }

    /// Draws receipts anew as they grow old; whoever runs for more than a minute runs this beside, and ends it by dropping it.
    pub(crate) async fn keep_receipts(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            // What fails is old the next time, too.
            let _ = self.renew_receipts(RENEW_AFTER).await;
        }
    }

    /// Draws those anew that are older. A receipt whose consent is over gets another consent.
    ///
    /// # Errors
    /// The failure of the first receipt that failed; it stays as it is, and so do those after it.
    pub async fn renew_receipts(&self, age_max: Duration) -> Result<(), Refusal> {
        let count = self.receipts.borrow().len();
        for _ in 0..count {
            let is_old = |shown: &mut Shown| clock::since(shown.drawn) > age_max;
            let Some(old) = self.receipts.borrow_mut().pop_front_if(is_old) else { return Ok(()) };
            let renewed = match self.renew(&old, self.lines.take(old.owner)).await {
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

    async fn renew(&self, old: &Shown, kept: Option<Line>) -> Result<Shown, BrowserError> {
        let mut browser = self.browser(old.owner, kept).await?;
        let drawn = clock::now();
        let receipt = match browser.receipt(&old.visit).await? {
            Some(receipt) => Shown { visit: old.visit.clone(), receipt, drawn, ..*old },
            None => self.consent_in(&mut browser, old.owner).await?,
        };
        self.lines.keep(old.owner, browser.end().0);
        Ok(receipt)
    }

    /// A new consent of that citizen, with its receipt.
    pub(super) async fn consent(&self, owner: u32) -> Result<Shown, BrowserError> {
        let mut browser = self.browser(owner, self.lines.take(owner)).await?;
        let shown = self.consent_in(&mut browser, owner).await?;
        self.lines.keep(owner, browser.end().0);
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

    /// A browser of that citizen's, on a new connection if none was kept.
    async fn browser(&self, owner: u32, kept: Option<Line>) -> Result<Browser, BrowserError> {
        let citizen = self.citizen(owner);
        let line = match kept {
            Some(line) => line,
            None => self.connect(&citizen).await?,
        };
        Ok(Browser::resume(line, self.pages, citizen.session.clone()))
    }
}
