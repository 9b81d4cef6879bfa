//! A plain file without a chunk manifest: one stream, one digest over all of it, taken while it arrives.
//!
//! The digest can only be compared at the end: until [`Store::complete`] nothing has been verified, and
//! nothing may use the bytes. What an earlier attempt left is used when a digest will judge the whole;
//! within one call, a broken transfer goes on where it was when a digest or a strong ETag says that it
//! is still the same file. Otherwise it starts anew.

mod mixed;
mod writer;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bootwright_image::{Digest, Digester};
use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout};

use crate::error::{Cause, Error, Failure};
use crate::fetch::blocking;
use crate::http::STALL_TIMEOUT;
use crate::options::{Notice, Observer, Progress};
use crate::piece::Gather;
use crate::retry::{Attempts, RetryPolicy};
use crate::source::{Begun, Mirror};
use crate::store::Store;
pub use mixed::{MixedComplete, fetch_file_from};
use writer::{Writer, digest_store};

/// Bytes that go to the worker thread in one go.
const BATCH: usize = 512 << 10;

/// How [`fetch_file`] goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileOptions {
    /// When the transfer is tried again.
    pub retry: RetryPolicy,
    /// See [`STALL_TIMEOUT`].
    pub stall: Duration,
    /// The most bytes to take: a server that says more is refused before the first byte.
    pub limit: u64,
}

impl FileOptions {
    /// The usual retries, at most `limit` bytes.
    pub fn up_to(limit: u64) -> Self {
        Self { retry: RetryPolicy::default(), stall: STALL_TIMEOUT, limit }
    }
}

/// A plain file that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileComplete {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of them all: the one asked for, when one was.
    pub digest: Digest,
    /// How long it took.
    pub took: Duration,
}

enum Stop {
    Failed(Failure),
    Fatal(Error),
}

/// Fetches the file of `source` into `store` and compares it with `digest`, when there is one.
///
/// # Errors
/// [`Error::Transfer`], [`Error::Digest`], [`Error::TooLarge`], [`Error::Store`].
pub async fn fetch_file(
    source: &dyn Mirror,
    digest: Option<Digest>,
    store: Arc<dyn Store>,
    options: &FileOptions,
    observe: Observer<'_>,
) -> Result<FileComplete, Error> {
    let started = Instant::now();
    let mut transfer = Transfer::new(source, digest, store, *options);
    if digest.is_some() {
        transfer.take_up().await?;
    }
    loop {
        transfer.run(observe).await?;
        if let Some(digest) = transfer.judge().await? {
            let size = transfer.at;
            return Ok(FileComplete { size, digest, took: started.elapsed() });
        }
    }
}

struct Transfer<'a> {
    source: &'a dyn Mirror,
    digest: Option<Digest>,
    store: Arc<dyn Store>,
    options: FileOptions,
    /// Digest of the bytes before `at`.
    digester: Digester,
    /// Bytes that are stored.
    at: u64,
    kept: u64,
    /// Whether all bytes so far came from one and the same file, as far as one can know.
    pure: bool,
}

impl<'a> Transfer<'a> {
    fn new(
        source: &'a dyn Mirror,
        digest: Option<Digest>,
        store: Arc<dyn Store>,
        options: FileOptions,
    ) -> Self {
        Self { source, digest, store, options, digester: Digester::default(), at: 0, kept: 0, pure: true }
    }

    /// Digests what an earlier attempt left.
    async fn take_up(&mut self) -> Result<(), Error> {
        let (store, limit) = (self.store.clone(), self.options.limit);
        let read = blocking(move || digest_store(&*store, limit)).await?;
        self.digester = read.map_err(|source| self.store_error(source))?;
        self.at = self.digester.bytes();
        self.kept = self.at;
        self.pure = self.at == 0;
        Ok(())
    }

    /// Runs until the source has sent the last byte.
    async fn run(&mut self, observe: Observer<'_>) -> Result<(), Error> {
        // Everything may be there already.
        if self.kept > 0 && Some(self.digester.clone().finish()) == self.digest {
            return Ok(());
        }
        let mut attempts = Attempts::new(self.options.retry);
        let mut furthest = self.at;
        loop {
            let failure = match self.attempt(observe).await {
                Ok(()) => return Ok(()),
                Err(Stop::Fatal(error)) => return Err(error),
                Err(Stop::Failed(failure)) => failure,
            };
            if self.at > furthest {
                furthest = self.at;
                attempts.progress();
            }
            match failure.cause {
                // The answer to a range that begins where the file ends: all of it is here.
                Cause::Size { found, .. } if found == self.at && self.at > 0 => return Ok(()),
                Cause::Size { .. } | Cause::Changed { .. } if self.at > 0 => {
                    self.restart();
                    // Another file is a lasting fault only for the bytes that are thrown away here.
                    attempts.rest_and_go_on(failure, observe).await?;
                }
                _ => attempts.rest(failure, observe).await?,
            }
            if self.at > 0 && !self.source.has_validator() {
                // The next answer may be of another file. Only a digest could tell.
                match self.digest {
                    Some(_) => self.pure = false,
                    None => self.restart(),
                }
            }
        }
    }

    fn restart(&mut self) {
        self.digester = Digester::default();
        self.at = 0;
        self.kept = 0;
        self.pure = true;
    }

    /// One request, from where we are to the end.
    async fn attempt(&mut self, observe: Observer<'_>) -> Result<(), Stop> {
        let mut opened = self.source.begin(self.at).await.map_err(Stop::Failed)?;
        let size = opened.size;
        if size.is_some_and(|size| size > self.options.limit) {
            return Err(Stop::Fatal(self.too_large(size)));
        }
        let mut writer = Writer { store: self.store.clone(), job: None };
        let mut gather = Gather::default();
        let outcome = loop {
            let step = self.receive(&mut opened, &mut gather).await;
            if let Err(Stop::Fatal(_)) = step {
                break step.map(|_| ());
            }
            if gather.len() >= BATCH || !matches!(step, Ok(true)) {
                self.pass_on(&mut writer, &mut gather).await.map_err(Stop::Fatal)?;
                let total = size.unwrap_or_default();
                observe(Notice::Progress(Progress {
                    stored: self.at,
                    total,
                    kept: self.kept,
                    ..Progress::default()
                }));
            }
            match step {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(stop) => break Err(stop),
            }
        };
        self.settle(&mut writer).await.map_err(Stop::Fatal)?;
        outcome
    }

    /// Takes in one piece; `false` at the end.
    async fn receive(&self, opened: &mut Begun, gather: &mut Gather) -> Result<bool, Stop> {
        let stall = self.options.stall;
        match timeout(stall, opened.bytes.next()).await {
            Err(_) => Err(Stop::Failed(Failure {
                source_name: opened.name.clone(),
                address: opened.address,
                offset: Some(self.at + gather.len() as u64),
                cause: Cause::Stalled(stall),
            })),
            Ok(None) => Ok(false),
            Ok(Some(Err(failure))) => Err(Stop::Failed(failure)),
            Ok(Some(Ok(piece))) => {
                gather.push(piece);
                if self.at + gather.len() as u64 > self.options.limit {
                    return Err(Stop::Fatal(self.too_large(None)));
                }
                Ok(true)
            }
        }
    }

    /// Gives what is gathered to the worker thread, once that has done with what it had.
    async fn pass_on(&mut self, writer: &mut Writer, gather: &mut Gather) -> Result<(), Error> {
        self.settle(writer).await?;
        let length = gather.len();
        if length == 0 {
            return Ok(());
        }
        writer.start(std::mem::take(&mut self.digester), self.at, gather.take(length));
        self.at += length as u64;
        Ok(())
    }

    async fn settle(&mut self, writer: &mut Writer) -> Result<(), Error> {
        let Some(job) = writer.job.take() else { return Ok(()) };
        let written = job.await.map_err(|died| Error::Worker(died.to_string()))?;
        self.digester = written.map_err(|source| self.store_error(source))?;
        Ok(())
    }

    /// Compares and completes. `None`: bytes of an earlier attempt were wrong, all has to come again.
    async fn judge(&mut self) -> Result<Option<Digest>, Error> {
        let found = self.digester.clone().finish();
        if let Some(expected) = self.digest.filter(|expected| *expected != found) {
            if !self.pure {
                self.restart();
                return Ok(None);
            }
            let url = self.source.name().to_owned();
            return Err(Error::Digest { url, expected, found });
        }
        let (store, size) = (self.store.clone(), self.at);
        let done = blocking(move || store.resize(size).and_then(|()| store.complete())).await?;
        done.map_err(|source| self.store_error(source))?;
        Ok(Some(found))
    }

    fn store_error(&self, source: io::Error) -> Error {
        Error::of_store(&*self.store, self.at, source)
    }

    fn too_large(&self, size: Option<u64>) -> Error {
        Error::TooLarge { url: self.source.name().to_owned(), size, limit: self.options.limit }
    }
}
