//! The one way from a disk to every writer: what holds data is read, searched for zeros and compressed on
//! all cores, and handed over in the disk's order.
//!
//! ```text
//!   Plan ──▶ worker: read, find zeros, pack ─┐
//!   holes    worker: …                       ├──▶ in order ──▶ take(index, units)
//!   skipped  worker: …                      ─┘
//! ```
//!
//! Since the order is that of the disk, what a writer writes does not depend on the number of threads.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use super::pack::{Packer, Packing};
use crate::{Extent, ExtentKind, ReadAt};

/// How much is read at once: large enough that threads rarely meet, small enough for the processor's caches.
pub const BATCH: u64 = 1 << 20;

/// Batches that wait for their turn, for each thread: it bounds the memory.
const AHEAD: u64 = 4;

/// Who wants to know what goes through a writer: for progress and digests.
pub trait Watch: Sync {
    /// `bytes` at `offset` were read. Called once for each part that holds data, by several threads, in any
    /// order; all but the last of a disk begin and end on a multiple of [`BATCH`].
    fn data(&self, offset: u64, bytes: &[u8]);

    /// `range` is zeros that nobody read; on multiples of [`BATCH`] as well.
    fn zeros(&self, range: Range<u64>);
}

/// Nobody.
impl Watch for () {
    fn data(&self, _: u64, _: &[u8]) {}
    fn zeros(&self, _: Range<u64>) {}
}

/// A disk to be cut into units.
pub struct Blocks<'a> {
    /// The disk.
    pub source: &'a dyn ReadAt,
    /// Bytes in a unit: a power of two from 512 on.
    pub unit: u64,
    /// How many threads read and compress; at least one is taken.
    pub threads: usize,
    /// Is told what goes through.
    pub watch: &'a dyn Watch,
}

/// Units that are not all zeros, in the disk's order.
pub enum Units<'a> {
    /// One or more neighbours as they are; the last unit of a disk is filled up with zeros.
    Plain(&'a [u8]),
    /// One, compressed.
    Packed(&'a [u8]),
}

/// A part of the disk that holds data.
struct Batch {
    sequence: u64,
    start: u64,
    end: u64,
    data: Vec<Range<u64>>,
}

/// A batch that was read.
struct Done {
    sequence: u64,
    buffer: Vec<u8>,
    units: Vec<Found>,
}

/// Units of a batch: the first one's number, and where its bytes are.
enum Found {
    Plain(u64, Range<usize>),
    Packed(u64, Vec<u8>),
}

impl Blocks<'_> {
    /// Hands every unit that is not all zeros to `take`, with the number of the first.
    ///
    /// # Errors
    /// What reading or `take` says; then nothing more is read.
    pub fn each(&self, take: impl FnMut(u64, Units<'_>) -> io::Result<()>) -> io::Result<()> {
        self.each_packed(None, take)
    }

    pub(super) fn each_packed(
        &self,
        packing: Option<Packing>,
        mut take: impl FnMut(u64, Units<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let threads = self.threads.max(1);
        let plan = Plan::new(self.source, self.unit.max(BATCH), threads as u64 * AHEAD);
        let (send, receive) = channel();
        let (give_back, buffers) = channel::<Vec<u8>>();
        let buffers = Mutex::new(buffers);
        thread::scope(|scope| {
            for _ in 0..threads {
                let send = send.clone();
                let (plan, buffers) = (&plan, &buffers);
                scope.spawn(move || self.work(plan, packing, buffers, &send));
            }
            drop(send);
            let result = in_order(&plan, &receive, &give_back, &mut take);
            plan.stop();
            result
        })
    }

    fn work(
        &self,
        plan: &Plan<'_>,
        packing: Option<Packing>,
        buffers: &Mutex<Receiver<Vec<u8>>>,
        send: &Sender<io::Result<Done>>,
    ) {
        let mut packer = packing.map(Packer::new);
        while let Some(batch) = plan.next(self.watch) {
            let spare = buffers.lock().unwrap_or_else(PoisonError::into_inner).try_recv();
            let done = batch.and_then(|batch| self.read(&batch, spare.unwrap_or_default(), packer.as_mut()));
            if send.send(done).is_err() {
                break;
            }
        }
    }

    fn read(&self, batch: &Batch, mut buffer: Vec<u8>, packer: Option<&mut Packer>) -> io::Result<Done> {
        // A batch is as long as its plan says: 1 MiB, or one unit.
        let length = (batch.end - batch.start) as usize;
        buffer.resize(length.next_multiple_of(self.unit as usize), 0);
        let mut clean = 0;
        for range in &batch.data {
            let part = (range.start - batch.start) as usize..(range.end - batch.start) as usize;
            buffer.get_mut(clean..part.start).unwrap_or_default().fill(0);
            clean = part.end;
            self.source.read_exact_at(range.start, buffer.get_mut(part).unwrap_or_default())?;
        }
        buffer.get_mut(clean..).unwrap_or_default().fill(0);
        self.watch.data(batch.start, buffer.get(..length).unwrap_or_default());
        let units = self.find(batch.start, &buffer, packer)?;
        Ok(Done { sequence: batch.sequence, buffer, units })
    }

    fn find(&self, start: u64, buffer: &[u8], mut packer: Option<&mut Packer>) -> io::Result<Vec<Found>> {
        let unit = self.unit as usize;
        let mut units = Vec::new();
        for (number, bytes) in buffer.chunks_exact(unit).enumerate() {
            if is_zero(bytes) {
                continue;
            }
            let index = start / self.unit + number as u64;
            if let Some(packer) = packer.as_deref_mut()
                && let Some(packed) = packer.pack(bytes)?
            {
                units.push(Found::Packed(index, packed));
                continue;
            }
            let at = number * unit;
            match units.last_mut() {
                Some(Found::Plain(_, range)) if range.end == at => range.end += unit,
                _ => units.push(Found::Plain(index, at..at + unit)),
            }
        }
        Ok(units)
    }
}

/// Hands over the batches by their sequence.
fn in_order(
    plan: &Plan<'_>,
    receive: &Receiver<io::Result<Done>>,
    give_back: &Sender<Vec<u8>>,
    take: &mut impl FnMut(u64, Units<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let mut waiting = BTreeMap::new();
    let mut turn = 0;
    for done in receive {
        let done = done?;
        waiting.insert(done.sequence, done);
        while let Some(done) = waiting.remove(&turn) {
            for units in &done.units {
                match units {
                    Found::Packed(index, bytes) => take(*index, Units::Packed(bytes))?,
                    Found::Plain(index, range) => {
                        take(*index, Units::Plain(done.buffer.get(range.clone()).unwrap_or_default()))?;
                    }
                }
            }
            turn += 1;
            plan.advance(turn);
            // Nobody needs it any more when all workers are gone.
            let _ = give_back.send(done.buffer);
        }
    }
    Ok(())
}

/// Whether there is nothing but zeros, by memcmp(3).
pub(super) fn is_zero(bytes: &[u8]) -> bool {
    static ZEROS: [u8; 4096] = [0; 4096];
    bytes.chunks(ZEROS.len()).all(|chunk| ZEROS.get(..chunk.len()) == Some(chunk))
}

/// Walks through the extents of the disk and says what is to be read next.
struct Plan<'a> {
    source: &'a dyn ReadAt,
    batch: u64,
    ahead: u64,
    state: Mutex<State>,
    turn: Condvar,
}

#[derive(Default)]
struct State {
    /// Everything before was given out.
    at: u64,
    /// How many batches were.
    given: u64,
    /// How many were handed over.
    taken: u64,
    stopped: bool,
    /// The run that was asked for last: a long one is asked for once, not for each batch.
    known: Option<Extent>,
}

impl<'a> Plan<'a> {
    fn new(source: &'a dyn ReadAt, batch: u64, ahead: u64) -> Self {
        Self { source, batch, ahead, state: Mutex::default(), turn: Condvar::new() }
    }

    /// The next batch, once there is room for it; `None` at the end.
    fn next(&self, watch: &dyn Watch) -> Option<io::Result<Batch>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |state: &mut State| !state.stopped && state.given >= state.taken + self.ahead;
        let mut state = self.turn.wait_while(state, full).unwrap_or_else(PoisonError::into_inner);
        if state.stopped {
            return None;
        }
        let start = state.at;
        match self.find(start, &mut state.known) {
            Ok(batch) => {
                let skipped = batch.as_ref().map_or(self.source.size(), |batch| batch.start);
                state.at = batch.as_ref().map_or(skipped, |batch| batch.end);
                if skipped > start {
                    watch.zeros(start..skipped);
                }
                let sequence = state.given;
                state.given += u64::from(batch.is_some());
                batch.map(|batch| Ok(Batch { sequence, ..batch }))
            }
            Err(error) => {
                state.stopped = true;
                Some(Err(error))
            }
        }
    }

    /// The first batch from `at` on that holds data.
    fn find(&self, at: u64, known: &mut Option<Extent>) -> io::Result<Option<Batch>> {
        let size = self.source.size();
        let mut at = at;
        while at < size {
            let extent = self.extent(at, known)?;
            if extent.kind == ExtentKind::Data && extent.range.end > at {
                break;
            }
            at = extent.range.end.max(at + 1);
        }
        if at >= size {
            return Ok(None);
        }
        let start = at - at % self.batch;
        let end = size.min(start.saturating_add(self.batch));
        let mut data = Vec::new();
        while at < end {
            let extent = self.extent(at, known)?;
            let until = extent.range.end.clamp(at + 1, end);
            if extent.kind == ExtentKind::Data {
                data.push(at..until);
            }
            at = until;
        }
        Ok(Some(Batch { sequence: 0, start, end, data }))
    }

    fn extent(&self, at: u64, known: &mut Option<Extent>) -> io::Result<Extent> {
        match known {
            Some(extent) if extent.range.contains(&at) => Ok(extent.clone()),
            _ => Ok(known.insert(self.source.extent(at)?).clone()),
        }
    }

    fn advance(&self, taken: u64) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).taken = taken;
        self.turn.notify_all();
    }

    fn stop(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).stopped = true;
        self.turn.notify_all();
    }
}
