//! A store that keeps nothing: what is written to it goes to a reader, in order.
//!
//! The reader runs in a thread of its own and makes of the bytes what it likes; when it is slow, it slows the
//! download down. A download that starts anew starts the reader anew.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use bytes::{Buf as _, Bytes};

use super::Store;

/// Pieces that may wait for the reader: each has up to 512 KiB.
const QUEUE: usize = 8;

/// Makes something of all bytes of a file. At the end of a download that was broken off it meets an end, too.
type Reading<T> = Arc<dyn Fn(Arriving) -> io::Result<T> + Send + Sync>;

/// A file that is read while it arrives.
pub struct InOrder<T> {
    name: String,
    reading: Reading<T>,
    state: Mutex<State<T>>,
}

struct State<T> {
    /// The byte that comes next.
    at: u64,
    worker: Option<Worker<T>>,
    made: Option<T>,
}

struct Worker<T> {
    sender: SyncSender<Bytes>,
    thread: JoinHandle<io::Result<T>>,
}

impl<T: Send + 'static> InOrder<T> {
    /// A store called `name`, for messages, whose bytes `reading` takes.
    pub fn new(
        name: impl Into<String>,
        reading: impl Fn(Arriving) -> io::Result<T> + Send + Sync + 'static,
    ) -> Self {
        let state = State { at: 0, worker: None, made: None };
        Self { name: name.into(), reading: Arc::new(reading), state: Mutex::new(state) }
    }

    /// What the reader made of the whole file, once the download is complete; the first time it is asked.
    pub fn take(&self) -> Option<T> {
        self.state().made.take()
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, state: &mut State<T>) {
        if let Some(worker) = state.worker.take() {
            // What it made of another attempt's bytes is of no use.
            drop(worker.sender);
            let _ = worker.thread.join();
        }
        let (sender, receiver) = sync_channel(QUEUE);
        let reading = Arc::clone(&self.reading);
        let thread = std::thread::spawn(move || reading(Arriving { receiver, piece: Bytes::new() }));
        state.worker = Some(Worker { sender, thread });
        state.at = 0;
    }
}

impl<T: Send + 'static> Store for InOrder<T> {
    fn name(&self) -> &str {
        &self.name
    }

    fn resize(&self, size: u64) -> io::Result<()> {
        if size == 0 {
            self.start(&mut self.state());
        }
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(0)
    }

    fn is_hole(&self, _range: Range<u64>) -> io::Result<bool> {
        Ok(true)
    }

    fn read_at(&self, _offset: u64, _buffer: &mut [u8]) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "the bytes are not kept"))
    }

    fn write_at(&self, offset: u64, pieces: &[Bytes]) -> io::Result<()> {
        let mut state = self.state();
        if offset == 0 {
            self.start(&mut state);
        }
        if offset != state.at {
            return Err(io::Error::other("bytes out of order cannot be read"));
        }
        for piece in pieces {
            state.at += piece.len() as u64;
            let gone = match &state.worker {
                Some(worker) => worker.sender.send(piece.clone()).is_err(),
                None => true,
            };
            if gone {
                let error = finish(&mut state).err();
                return Err(
                    error.unwrap_or_else(|| io::Error::other("bytes behind the end of what was read"))
                );
            }
        }
        Ok(())
    }

    fn write_zeros(&self, _range: Range<u64>) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "the bytes are not kept"))
    }

    fn complete(&self) -> io::Result<()> {
        let mut state = self.state();
        state.made = Some(finish(&mut state)?);
        Ok(())
    }
}

impl<T> Drop for InOrder<T> {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(worker) = state.worker.take() {
            drop(worker.sender);
            let _ = worker.thread.join();
        }
    }
}

fn finish<T>(state: &mut State<T>) -> io::Result<T> {
    let worker = state.worker.take().ok_or_else(|| io::Error::other("the file is empty"))?;
    drop(worker.sender);
    worker.thread.join().unwrap_or_else(|_| Err(io::Error::other("the reader has panicked")))
}

/// The bytes that were written, as a reader.
pub struct Arriving {
    receiver: Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.recv() {
                Ok(piece) => self.piece = piece,
                Err(_) => return Ok(0),
            }
        }
        let count = self.piece.len().min(buffer.len());
        self.piece.copy_to_slice(buffer.get_mut(..count).unwrap_or_default());
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> InOrder<Vec<u8>> {
        InOrder::new("x", |mut arriving| {
            let mut bytes = Vec::new();
            arriving.read_to_end(&mut bytes)?;
            Ok(bytes)
        })
    }

    #[test]
    fn bytes_come_in_order_and_a_new_start_forgets_the_former_one() {
        let store = all();
        store.write_at(0, &[Bytes::from_static(b"wrong")]).unwrap();
        store.write_at(0, &[Bytes::from_static(b"ri"), Bytes::from_static(b"g")]).unwrap();
        assert!(store.write_at(7, &[Bytes::from_static(b"x")]).is_err(), "a gap");
        store.write_at(3, &[Bytes::from_static(b"ht")]).unwrap();
        store.complete().unwrap();
        assert_eq!(store.take().as_deref(), Some(&b"right"[..]));
        assert_eq!(store.take(), None);
    }

    #[test]
    fn what_the_reader_refuses_ends_the_download_with_its_words() {
        let store = InOrder::<()>::new("x", |_| Err(io::Error::other("no such thing")));
        let piece = [Bytes::from_static(b"x")];
        let refused = (0..1000u64).find_map(|at| store.write_at(at, &piece).err()).unwrap();
        assert_eq!(refused.to_string(), "no such thing");
        assert_eq!(all().complete().unwrap_err().to_string(), "the file is empty");
    }
}
