//! Receipts of consents, from citizens' own pages: a tick and a press, and the receipt stands there to be scanned. Each is good for
//! two minutes, so those of a longer run are drawn anew meanwhile; using them is a device's business.

use std::time::{Duration, Instant};

use super::Citizens;
use super::browser::{Browser, BrowserError};
use crate::clock;
use crate::queries::Receipt;

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
    /// Where on the pages it stands.
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

    /// Draws receipts anew as they grow old; whoever runs for more than a minute runs this beside, and ends it by dropping it. A
    /// receipt whose consent is over gets another consent. What fails is tried again.
    pub async fn keep_receipts(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            self.renew_old().await;
        }
    }

    async fn renew_old(&self) {
        loop {
            let is_old = |shown: &mut Shown| clock::since(shown.drawn) > RENEW_AFTER;
            let Some(old) = self.receipts.borrow_mut().pop_front_if(is_old) else { return };
            match self.renew(&old).await {
                Ok(fresh) => self.receipts.borrow_mut().push_back(fresh),
                Err(_) => return self.receipts.borrow_mut().push_front(old),
            }
        }
    }

    async fn renew(&self, old: &Shown) -> Result<Shown, BrowserError> {
        let mut browser = self.browser(old.owner).await?;
        let drawn = clock::now();
        let receipt = browser.receipt(&old.visit).await?;
        self.leave(old.owner, browser);
        match receipt {
            Some(receipt) => Ok(Shown { visit: old.visit.clone(), receipt, drawn, ..*old }),
            None => self.consent(old.owner).await,
        }
    }

    /// A new consent of that citizen, with its receipt.
    pub(super) async fn consent(&self, owner: u32) -> Result<Shown, BrowserError> {
        let visit = format!("place-{:016x}", self.random.borrow_mut().u64(..));
        let mut browser = self.browser(owner).await?;
        browser.consent(&visit).await?;
        let drawn = clock::now();
        let receipt = browser.receipt(&visit).await?;
        let receipt = receipt.ok_or_else(|| BrowserError::WrongPage { path: "/travel".to_owned() })?;
        self.leave(owner, browser);
        Ok(Shown { owner, visit, receipt, drawn })
    }

    /// A browser of that citizen's, on a kept connection if there is one.
    async fn browser(&self, owner: u32) -> Result<Browser, BrowserError> {
        let citizen = self.citizen(owner);
        let line = match self.lines.take(owner) {
            Some(line) => line,
            None => self.connect(&citizen).await?,
        };
        Ok(Browser::resume(line, self.pages, citizen.session.clone()))
    }

    fn leave(&self, owner: u32, browser: Browser) {
        self.lines.keep(owner, browser.end().0);
    }
}
