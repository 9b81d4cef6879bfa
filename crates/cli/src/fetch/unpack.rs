//! A store that unpacks what is written to it: gzip, xz, Zstandard, also several streams in a row.
//!
//! The compressed bytes come in order and are not kept, so a download that is broken off starts anew. They
//! go to a thread of its own, which unpacks into `PATH.part`; a slow disk slows the download down.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use bootwright_fetch::Store;
use bootwright_formats::compression::Compression;
use bootwright_image::Digester;
use bytes::{Buf as _, Bytes};

use super::done::Unpacked;

/// Pieces that may wait for the thread: each has up to 512 KiB.
const QUEUE: usize = 8;

/// Bytes by which a compressed stream is told.
const MAGIC: u64 = 2;

/// Bytes written at a time.
const WRITE: usize = 256 << 10;

/// A file that is unpacked while it arrives.
pub(super) struct Unpacking {
    path: PathBuf,
    part: PathBuf,
    name: String,
    /// Locked: two downloads to one path exclude each other.
    _lock: File,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The compressed byte that comes next.
    at: u64,
    worker: Option<Worker>,
    unpacked: Option<Unpacked>,
}

struct Worker {
    sender: SyncSender<Bytes>,
    thread: JoinHandle<io::Result<Unpacked>>,
}

impl Unpacking {
    /// A store that becomes `path` when it is complete.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let lock = File::options().write(true).create(true).truncate(false).open(&part)?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
        let name = path.display().to_string();
        Ok(Self { path: path.to_owned(), part, name, _lock: lock, state: Mutex::default() })
    }

    /// What came of it.
    pub(super) fn unpacked(&self) -> Option<Unpacked> {
        self.state().unpacked
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, state: &mut State) -> io::Result<()> {
        if let Some(worker) = state.worker.take() {
            // What it made of another attempt's bytes is overwritten.
            drop(worker.sender);
            let _ = worker.thread.join();
        }
        let file = File::create(&self.part)?;
        let (sender, receiver) = sync_channel(QUEUE);
        let thread = std::thread::spawn(move || unpack(Pieces { receiver, piece: Bytes::new() }, file));
        state.worker = Some(Worker { sender, thread });
        state.at = 0;
        Ok(())
    }
}

impl Store for Unpacking {
    fn name(&self) -> &str {
        &self.name
    }

    fn resize(&self, size: u64) -> io::Result<()> {
        let mut state = self.state();
        if size == 0 { self.start(&mut state) } else { Ok(()) }
    }

    fn size(&self) -> io::Result<u64> {
        Ok(0)
    }

    fn is_hole(&self, _range: Range<u64>) -> io::Result<bool> {
        Ok(true)
    }

    fn read_at(&self, _offset: u64, _buffer: &mut [u8]) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "compressed bytes are not kept"))
    }

    fn write_at(&self, offset: u64, pieces: &[Bytes]) -> io::Result<()> {
        let mut state = self.state();
        if offset == 0 {
            self.start(&mut state)?;
        }
        if offset != state.at {
            return Err(io::Error::other("bytes out of order cannot be unpacked"));
        }
        for piece in pieces {
            state.at += piece.len() as u64;
            let gone = match &state.worker {
                Some(worker) => worker.sender.send(piece.clone()).is_err(),
                None => true,
            };
            if gone {
                return Err(finish(&mut state)
                    .err()
                    .unwrap_or_else(|| io::Error::other("bytes behind the stream's end")));
            }
        }
        Ok(())
    }

    fn write_zeros(&self, _range: Range<u64>) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "compressed bytes are not kept"))
    }

    fn complete(&self) -> io::Result<()> {
        let mut state = self.state();
        let unpacked = finish(&mut state)?;
        state.unpacked = Some(unpacked);
        File::open(&self.part)?.sync_all()?;
        std::fs::rename(&self.part, &self.path)
    }
}

impl Drop for Unpacking {
    fn drop(&mut self) {
        if self.unpacked().is_none() {
            // It is of no use to the next attempt.
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

fn finish(state: &mut State) -> io::Result<Unpacked> {
    let worker = state.worker.take().ok_or_else(|| io::Error::other("the file is empty"))?;
    drop(worker.sender);
    worker.thread.join().unwrap_or_else(|_| Err(io::Error::other("unpacking has panicked")))
}

/// Unpacks one stream after the other.
fn unpack(mut pieces: Pieces, mut file: File) -> io::Result<Unpacked> {
    let mut head = Vec::new();
    pieces.by_ref().take(MAGIC).read_to_end(&mut head)?;
    let compression = Compression::detect(&head);
    let mut source = BufReader::new(Read::chain(Cursor::new(head), pieces));
    if !matches!(compression, Compression::Gzip | Compression::Xz | Compression::Zstd) {
        let text = format!("it is not compressed with gzip, xz or zstd ({compression})");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let mut digester = Digester::default();
    let mut buffer = vec![0; WRITE];
    loop {
        let mut decoder = compression.decoder(source)?;
        loop {
            let count = decoder.read(&mut buffer)?;
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
            digester.update(bytes);
            file.write_all(bytes)?;
        }
        source = decoder.into_inner().ok_or_else(|| io::Error::other("the stream's end was not found"))?;
        if at_end(&mut source, compression)? {
            return Ok(Unpacked { size: digester.bytes(), digest: digester.finish() });
        }
    }
}

/// Whether nothing follows, but for the padding of xz (zeros, section 2.2 of its format).
fn at_end(source: &mut impl BufRead, compression: Compression) -> io::Result<bool> {
    loop {
        let buffer = source.fill_buf()?;
        if buffer.is_empty() {
            return Ok(true);
        }
        let padding = buffer.iter().take_while(|byte| **byte == 0).count();
        if compression != Compression::Xz || padding == 0 {
            return Ok(false);
        }
        source.consume(padding);
    }
}

/// The bytes that were sent, as a reader.
struct Pieces {
    receiver: Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Pieces {
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
    use bootwright_image::Digest;
    use std::process::{Command, Stdio};

    /// What a program of the system makes of `bytes`.
    fn packed(program: &str, bytes: &[u8]) -> Vec<u8> {
        let mut child =
            Command::new(program).arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let bytes = bytes.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&bytes).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        output.stdout
    }

    fn feed(store: &Unpacking, bytes: &[u8], step: usize) -> io::Result<()> {
        let mut at = 0;
        for piece in bytes.chunks(step) {
            store.write_at(at, &[Bytes::copy_from_slice(piece)])?;
            at += piece.len() as u64;
        }
        store.complete()
    }

    #[test]
    fn what_gzip_xz_and_zstd_pack_is_unpacked_also_when_it_starts_anew() {
        let place = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..200_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        for program in ["gzip", "xz", "zstd"] {
            let path = place.path().join(program);
            let store = Unpacking::create(&path).unwrap();
            let mut twice = packed(program, &content);
            twice.extend(packed(program, b"second"));
            store.write_at(0, &[Bytes::copy_from_slice(&twice[..1000])]).unwrap();
            feed(&store, &twice, 4096).unwrap();
            let expected = [&content[..], b"second"].concat();
            assert_eq!(std::fs::read(&path).unwrap(), expected, "{program}");
            let unpacked = store.unpacked().unwrap();
            assert_eq!((unpacked.size, unpacked.digest), (expected.len() as u64, Digest::of(&expected)));
        }
    }

    #[test]
    fn two_downloads_to_one_path_do_not_mix() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("out");
        let _first = Unpacking::create(&path).unwrap();
        assert_eq!(Unpacking::create(&path).err().unwrap().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn what_is_cut_or_not_compressed_leaves_nothing_behind() {
        let place = tempfile::tempdir().unwrap();
        let whole = packed("zstd", &[7; 100_000]);
        for bytes in [&whole[..whole.len() - 3], b"plain text", b""] {
            let path = place.path().join("out");
            let store = Unpacking::create(&path).unwrap();
            assert!(feed(&store, bytes, 10).is_err(), "{bytes:?}");
            drop(store);
            assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
        }
    }
}
