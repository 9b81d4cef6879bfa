//! Threads that pack segments; what they make comes out in the order in which the segments went in.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::{Algorithm, Compressor, Packed, Place, SEGMENT, pack};

/// Segments that one thread packs in one go: small files come by the thousand.
pub(in super::super) struct Batch<T> {
    bytes: Vec<u8>,
    pieces: Vec<(T, Range<usize>, Place)>,
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self { bytes: Vec::new(), pieces: Vec::new() }
    }
}

impl<T> Batch<T> {
    /// Adds a segment; `owner` comes back with what becomes of it.
    pub(in super::super) fn push(&mut self, owner: T, segment: &[u8], place: Place) {
        let start = self.bytes.len();
        self.bytes.extend(segment);
        self.pieces.push((owner, start..self.bytes.len(), place));
    }

    /// Whether it is time to pack it.
    pub(in super::super) fn is_full(&self) -> bool {
        self.bytes.len() >= SEGMENT / 2 || self.pieces.len() >= 1024
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    fn pack(self, compressor: &mut Option<Compressor>) -> io::Result<Vec<(T, Packed)>> {
        let one = |(owner, range, place): (T, Range<usize>, Place)| {
            let segment = self.bytes.get(range).unwrap_or_default();
            Ok((owner, pack(compressor.as_mut(), segment, place)?))
        };
        self.pieces.into_iter().map(one).collect()
    }
}

type Result<T> = io::Result<Vec<(T, Packed)>>;
type Job<T> = (Batch<T>, SyncSender<Result<T>>);

/// The threads and what is under way.
pub(in super::super) struct Pool<T> {
    jobs: Option<SyncSender<Job<T>>>,
    under_way: VecDeque<Receiver<Result<T>>>,
    /// How many batches may be under way: one waits for each that is packed.
    limit: usize,
    threads: Vec<JoinHandle<()>>,
}

impl<T: Send + 'static> Pool<T> {
    pub(in super::super) fn new(settings: Option<(Algorithm, i32)>, threads: usize) -> Self {
        let (jobs, waiting) = sync_channel::<Job<T>>(threads);
        let waiting = Arc::new(Mutex::new(waiting));
        let start = |_| {
            let waiting = Arc::clone(&waiting);
            std::thread::spawn(move || work(settings, &waiting))
        };
        let workers = (0..threads).map(start).collect();
        Self { jobs: Some(jobs), under_way: VecDeque::new(), limit: threads + 2, threads: workers }
    }

    /// Hands a batch over; gives the oldest result when enough is under way.
    pub(in super::super) fn submit(&mut self, batch: Batch<T>) -> Option<Result<T>> {
        let (reply, receiver) = sync_channel(1);
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send((batch, reply)).is_ok());
        if !sent {
            return Some(Err(gone()));
        }
        self.under_way.push_back(receiver);
        if self.under_way.len() >= self.limit { self.next() } else { None }
    }

    /// Waits for the oldest batch under way.
    pub(in super::super) fn next(&mut self) -> Option<Result<T>> {
        let receiver = self.under_way.pop_front()?;
        Some(receiver.recv().unwrap_or_else(|_| Err(gone())))
    }
}

impl<T> Drop for Pool<T> {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // One that panicked has already been noticed: its answer did not come.
            let _ = thread.join();
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("a thread that packs EROFS data has ended before its time")
}

fn work<T>(settings: Option<(Algorithm, i32)>, jobs: &Mutex<Receiver<Job<T>>>) {
    let mut compressor = None;
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((batch, reply)) = job else { return };
        let ready = match (settings, &compressor) {
            (Some((algorithm, level)), None) => {
                Compressor::new(algorithm, level).map(|made| compressor = Some(made))
            }
            _ => Ok(()),
        };
        // Nobody waits any more when the writer has failed.
        let _ = reply.send(ready.and_then(|()| batch.pack(&mut compressor)));
    }
}
