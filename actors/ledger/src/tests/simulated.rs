//! A simulated disk: written bytes stay in a cache until the file is synced, and names until the directory is. A power cut keeps an
//! arbitrary part of the unsynced data, by 512-byte sectors. Any call can be made to fail. Deterministic by its seed.

mod content;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use content::Content;
use runtime::lock::lock;

use crate::disk::{Disk, DiskFile};

/// A fault at a chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The power is cut; every later call fails until [`SimulatedDisk::power_on`].
    PowerCut,
    /// The call fails, later ones do not. A failed sync marks pages as clean that are not on disk.
    Io,
    /// The disk is full.
    Full,
    /// The call is interrupted.
    Interrupted,
    /// A write is short; other calls are not affected.
    Short,
}

#[derive(Clone)]
enum NameChange {
    Create(String, usize),
    Rename(String, String),
    Remove(String),
}

struct State {
    random: fastrand::Rng,
    files: Vec<Content>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    unsynced_names: Vec<NameChange>,
    calls: u64,
    fault: Option<(u64, Fault)>,
    /// The kind of call at which the fault happened.
    came: Option<(Fault, &'static str)>,
    off: bool,
    /// The space for all files together.
    capacity: usize,
    /// The number of bytes read.
    read: usize,
}

/// The simulated disk; clones share it.
#[derive(Clone)]
pub(super) struct SimulatedDisk(Arc<Mutex<State>>);

/// An open file of the disk.
pub(super) struct SimulatedFile {
    disk: SimulatedDisk,
    content: usize,
}

impl SimulatedDisk {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: fastrand::Rng::with_seed(seed),
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            unsynced_names: Vec::new(),
            calls: 0,
            fault: None,
            came: None,
            off: false,
            capacity: usize::MAX,
            read: 0,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// Plans `fault` for the `after`-th changing call from now on (0: the next).
    pub(super) fn plan(&self, after: u64, fault: Fault) {
        let mut state = self.state();
        state.came = None;
        state.fault = Some((state.calls + after, fault));
    }

    /// Returns the kind of call at which the planned fault happened.
    pub(super) fn fault_came(&self) -> Option<&'static str> {
        self.state().came.map(|(_, call)| call)
    }

    /// Cuts the power if it is on, decides which unsynced data reaches the disk, and turns the power on.
    pub(super) fn power_on(&self) {
        let mut state = self.state();
        let state = &mut *state;
        for file in &mut state.files {
            file.lose(&mut state.random);
        }
        let keep_up_to = state.random.usize(0..=state.unsynced_names.len());
        let in_order = state.random.bool();
        let changes = std::mem::take(&mut state.unsynced_names);
        for (at, change) in changes.iter().enumerate() {
            let kept = if in_order { at < keep_up_to } else { state.random.bool() };
            if kept {
                apply(&mut state.durable_names, change);
            }
        }
        state.names = state.durable_names.clone();
        (state.off, state.fault) = (false, None);
    }

    /// Restarts the process but not the machine: the cache stays, with the pages clean that a failed sync marked as clean.
    pub(super) fn process_restarts(&self) {
        let mut state = self.state();
        (state.off, state.fault) = (false, None);
    }

    /// Changes a file on disk and in the cache without the log's knowledge.
    pub(super) fn damage(&self, name: &str, change: impl Fn(&mut Vec<u8>)) {
        let mut state = self.state();
        let content = state.names[name];
        let file = &mut state.files[content];
        change(&mut file.cache);
        file.durable = file.cache.clone();
        file.dirty.clear();
        file.resized = false;
    }

    /// Returns an independent copy.
    pub(super) fn copy(&self, seed: u64) -> Self {
        let state = self.state();
        Self(Arc::new(Mutex::new(State {
            random: fastrand::Rng::with_seed(seed),
            files: state.files.clone(),
            names: state.names.clone(),
            durable_names: state.durable_names.clone(),
            unsynced_names: state.unsynced_names.clone(),
            calls: 0,
            fault: None,
            came: None,
            off: false,
            capacity: state.capacity,
            read: 0,
        })))
    }

    /// Limits the free space to this number of bytes, or removes the limit.
    pub(super) fn leave(&self, free: usize) {
        let mut state = self.state();
        state.capacity = state.used().saturating_add(free);
    }

    /// Returns the number of bytes read since the last call.
    pub(super) fn bytes_read(&self) -> usize {
        std::mem::take(&mut self.state().read)
    }
}

fn apply(names: &mut BTreeMap<String, usize>, change: &NameChange) {
    match change {
        NameChange::Create(name, content) => drop(names.insert(name.clone(), *content)),
        NameChange::Remove(name) => drop(names.remove(name)),
        NameChange::Rename(from, to) => {
            if let Some(content) = names.remove(from) {
                names.insert(to.clone(), content);
            }
        }
    }
}

impl State {
    /// Counts a changing call and applies the planned fault. `Ok(true)`: the write is short.
    fn call(&mut self, kind: &'static str) -> io::Result<bool> {
        if self.off {
            return Err(io::Error::other("the power is off"));
        }
        let now = self.calls;
        self.calls += 1;
        let Some((at, fault)) = self.fault else { return Ok(false) };
        if now != at {
            return Ok(false);
        }
        self.fault = None;
        self.came = Some((fault, kind));
        match fault {
            Fault::PowerCut => {
                self.off = true;
                Err(io::Error::other("the power went"))
            }
            Fault::Io => Err(io::Error::other("input/output error")),
            Fault::Full => Err(io::ErrorKind::StorageFull.into()),
            Fault::Interrupted => Err(io::ErrorKind::Interrupted.into()),
            Fault::Short => Ok(true),
        }
    }

    fn used(&self) -> usize {
        self.names.values().map(|&content| self.files[content].cache.len()).sum()
    }

    /// Refuses a call that needs more space than the disk has.
    fn has_room(&self, content: usize, end: usize) -> io::Result<()> {
        let more = end.saturating_sub(self.files[content].cache.len());
        let fits = self.capacity == usize::MAX || more == 0 || self.used() + more <= self.capacity;
        if fits { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    fn on(&self) -> io::Result<()> {
        if self.off { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }

    fn change_names(&mut self, change: NameChange) {
        apply(&mut self.names, &change);
        self.unsynced_names.push(change);
    }
}

impl Disk for SimulatedDisk {
    type File = SimulatedFile;

    fn list(&self) -> io::Result<Vec<String>> {
        let state = self.state();
        state.on()?;
        Ok(state.names.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.read_at(name, 0, usize::MAX)
    }

    fn open_file(&self, name: &str) -> io::Result<(SimulatedFile, u64)> {
        let state = self.state();
        state.on()?;
        let content = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        let len = state.files[content].cache.len() as u64;
        Ok((SimulatedFile { disk: self.clone(), content }, len))
    }

    fn read_at(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        state.on()?;
        let content = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        let rest = state.files[content].cache.get(offset as usize..).unwrap_or_default();
        let bytes = rest[..rest.len().min(len)].to_vec();
        state.read += bytes.len();
        Ok(bytes)
    }

    fn create(&self, name: &str) -> io::Result<SimulatedFile> {
        let mut state = self.state();
        state.call("create")?;
        let content = state.files.len();
        state.files.push(Content::default());
        state.change_names(NameChange::Create(name.to_owned(), content));
        Ok(SimulatedFile { disk: self.clone(), content })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.call("rename")?;
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_names(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.call("remove")?;
        if !state.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_names(NameChange::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.state();
        state.call("sync_directory")?;
        state.unsynced_names.clear();
        state.durable_names = state.names.clone();
        Ok(())
    }
}

impl DiskFile for SimulatedFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        let zeros = bytes.iter().all(|&byte| byte == 0);
        let part = match state.call(if zeros { "allocate" } else { "write" }) {
            Ok(false) => bytes.len(),
            Ok(true) => bytes.len().div_ceil(2),
            Err(error) => {
                // A failing write may have put any part of its bytes into the cache.
                let part = state.random.usize(0..=bytes.len());
                if part > 0 && error.kind() == io::ErrorKind::Other {
                    state.files[self.content].write(&bytes[..part], offset as usize);
                }
                return Err(error);
            }
        };
        state.has_room(self.content, offset as usize + part)?;
        state.files[self.content].write(&bytes[..part], offset as usize);
        Ok(part)
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        let state = &mut *state;
        let result = state.call("sync");
        let file = &mut state.files[self.content];
        match result {
            Ok(_) => {
                file.sync();
                Ok(())
            }
            Err(error) => {
                if !state.off && error.kind() != io::ErrorKind::Interrupted {
                    file.fail_sync(&mut state.random);
                }
                Err(error)
            }
        }
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.call("set_len")?;
        let file = &mut state.files[self.content];
        file.cache.resize(len as usize, 0);
        file.resized = true;
        Ok(())
    }
}
