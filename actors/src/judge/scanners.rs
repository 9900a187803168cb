//! Devices whose scanners add characters to a code or change them, with the number of such texts since the process began. The texts are
//! judged all the same; the numbers tell operators which scanners to set up again. `protocol::scanner` knows what scanners add.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use foldhash::fast::RandomState;
use protocol::DeviceId;
use runtime::lock::lock;

/// The number of such texts by device; clones share it. It has one entry for each device at most.
#[derive(Clone, Default)]
pub struct Scanners(Arc<Mutex<HashMap<DeviceId, u64, RandomState>>>);

impl Scanners {
    /// Counts texts of a device. The first time is logged: one line for each device.
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

    /// Returns the number of the device's texts that its scanner changed.
    pub fn texts_of(&self, device: DeviceId) -> u64 {
        self.counts().get(&device).copied().unwrap_or_default()
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<DeviceId, u64, RandomState>> {
        lock(&self.0)
    }
}
