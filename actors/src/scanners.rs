//! Devices whose scanners add characters to what they read, or change them: how many texts of each since the process began. Such texts
//! are judged all the same; who sets scanners wants to know which. What scanners add is said in `protocol::scanner`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use protocol::DeviceId;

/// The counts; clones share them. As many at most as there are devices.
#[derive(Clone, Default)]
pub struct Scanners(Arc<Mutex<HashMap<DeviceId, u64, RandomState>>>);

impl Scanners {
    /// Counts texts of a device. The first time is logged: there is one line a device.
    pub(crate) fn note(&self, device: DeviceId, texts: u64) {
        if texts == 0 {
            return;
        }
        let mut counts = self.counts();
        let count = counts.entry(device).or_default();
        let is_first = *count == 0;
        *count = count.saturating_add(texts);
        drop(counts);
        if is_first {
            tracing::warn!(
                %device,
                "a device's scanner adds characters to codes, or changes them: set it to send the code alone"
            );
        }
    }

    /// The number of the device's texts to which something was added.
    pub fn texts_of(&self, device: DeviceId) -> u64 {
        self.counts().get(&device).copied().unwrap_or_default()
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<DeviceId, u64, RandomState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
