//! A plain file from several mirrors at once.
//!
//! There is no digest of a part: that parts of different servers belong together is known at the end, when the digest
//! of the whole is right. So parts are mixed only when there is such a digest, and only of mirrors that state the
//! same size and send what they are asked for ([survey](mod@survey)). The digest is taken while the file arrives, by a reader
//! that follows the parts in the order of the file.
//!
//! When it is wrong, it is not known whose part it was: what an earlier attempt left is fetched again, and then the file
//! is completed from [one mirror](Mixed::complete_by_one) after the other, until its digest is right. The parts that had to
//! be replaced tell who sent wrong ones.

mod survey;
mod witness;

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bootwright_image::{Digest, Digester};
use tokio::time::Instant;

use super::FileComplete;
use super::writer::digest_store;
use crate::error::{Cause, Error, Failure, WrongFile};
use crate::fetch::{Gathered, blocking, gather};
use crate::handle::Handle;
use crate::layout::Layout;
use crate::options::{Notice, Observer, Options};
use crate::source::{Mirror, Source};
use crate::store::Store;
use survey::survey;
use witness::Witness;

/// A plain file that several mirrors have sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MixedComplete {
    /// The file.
    pub file: FileComplete,
    /// Bytes from each mirror, in the order of the mirrors. More than the size in all when parts had to be replaced.
    pub by_source: Vec<u64>,
    /// Bytes that an earlier attempt left and that were right.
    pub kept: u64,
}

/// Fetches a file of the given `digest` from all of `mirrors` that can be mixed, into `store`.
///
/// Gives `None`, and leaves the store alone, when there are no two of them: then the file comes from one.
///
/// # Errors
/// [`Error::Exhausted`], [`Error::Corrupt`] when every mirror has another file, [`Error::TooLarge`], [`Error::Store`].
pub async fn fetch_file_from(
    mirrors: &[Arc<dyn Mirror>],
    digest: Digest,
    limit: u64,
    store: Arc<dyn Store>,
    options: &Options,
    observe: Observer<'_>,
) -> Result<Option<MixedComplete>, Error> {
    let started = Instant::now();
    let Some(found) = survey(mirrors, observe).await else { return Ok(None) };
    if found.size > limit {
        let url = mirrors.first().map_or(String::new(), |mirror| mirror.name().to_owned());
        return Err(Error::TooLarge { url, size: Some(found.size), limit });
    }
    let sources =
        found.usable.iter().filter_map(|at| mirrors.get(*at)).map(|it| it.clone() as Arc<dyn Source>);
    let mut mixed = Mixed {
        layout: Arc::new(Layout::unjudged(found.size)),
        sources: sources.collect(),
        digest,
        store: store.clone(),
        options: options.clone(),
        senders: Vec::new(),
        by_source: vec![0; found.usable.len()],
    };
    let kept = mixed.run(observe).await?;
    let done = blocking(move || store.complete()).await?;
    done.map_err(|source| mixed.store_error(source))?;
    let mut by_source = vec![0; mirrors.len()];
    for (at, bytes) in found.usable.iter().zip(&mixed.by_source) {
        if let Some(slot) = by_source.get_mut(*at) {
            *slot = *bytes;
        }
    }
    let file = FileComplete { size: found.size, digest, took: started.elapsed() };
    Ok(Some(MixedComplete { file, by_source, kept }))
}

struct Mixed {
    layout: Arc<Layout>,
    sources: Vec<Arc<dyn Source>>,
    digest: Digest,
    store: Arc<dyn Store>,
    options: Options,
    /// Which of the sources sent each part; nobody, when an earlier attempt left it.
    senders: Vec<Option<usize>>,
    by_source: Vec<u64>,
}

impl Mixed {
    /// Until the digest is right; the bytes of an earlier attempt that are part of it.
    async fn run(&mut self, observe: Observer<'_>) -> Result<u64, Error> {
        let there = self.look().await?;
        self.senders = vec![None; there.len()];
        let kept = (0..).zip(&there).filter(|(_, there)| **there).map(|(at, _)| self.length(at)).sum();
        if self.all_at_once(&there, observe).await? == self.digest {
            return Ok(kept);
        }
        if kept > 0 {
            let sent: Vec<bool> = self.senders.iter().map(Option::is_some).collect();
            let sources = self.sources.clone();
            self.gather(&sources, &sent, self.store.clone(), observe).await?;
            if self.found().await? == self.digest {
                return Ok(0);
            }
        }
        self.complete_by_one(observe).await?;
        Ok(0)
    }

    /// The parts that an earlier attempt has written whole: its pages are written in their order.
    async fn look(&self) -> Result<Vec<bool>, Error> {
        let (store, layout) = (self.store.clone(), self.layout.clone());
        let look = move || -> io::Result<Vec<bool>> {
            let before = store.size()?;
            store.resize(layout.size)?;
            let written = |range: Range<u64>| -> io::Result<bool> {
                let last = range.end.saturating_sub(1).max(range.start);
                Ok(range.end <= before && !store.is_hole(last..range.end)?)
            };
            (0..layout.count()).map(|part| written(layout.range(part))).collect()
        };
        blocking(look).await?.map_err(|source| self.store_error(source))
    }

    /// Fetches what is not there from everybody, and gives the digest of the whole, taken meanwhile.
    async fn all_at_once(&mut self, there: &[bool], observe: Observer<'_>) -> Result<Digest, Error> {
        let handle = Handle::new();
        self.options.handle = Some(handle.clone());
        let reader = follow(handle, self.layout.clone(), self.store.clone());
        let sources = self.sources.clone();
        let store = self.store.clone();
        let (gathered, digest) = tokio::join!(self.gather(&sources, there, store, observe), reader);
        gathered?;
        self.options.handle = None;
        match digest {
            Some(digest) => digest.map_err(|source| self.store_error(source)),
            None => self.found().await,
        }
    }

    /// Completes the file from one mirror after the other, those that sent most first, until it is the right one.
    async fn complete_by_one(&mut self, observe: Observer<'_>) -> Result<(), Error> {
        let mut order: Vec<usize> = (0..self.sources.len()).collect();
        order.sort_by_key(|at| std::cmp::Reverse(self.by_source.get(*at).copied()));
        let mut failures = Vec::new();
        for at in order {
            let Some(source) = self.sources.get(at).cloned() else { continue };
            let before = self.senders.clone();
            let own: Vec<bool> = before.iter().map(|sender| *sender == Some(at)).collect();
            let witness = Arc::new(Witness::new(self.store.clone()));
            match self.gather(std::slice::from_ref(&source), &own, witness.clone(), observe).await {
                Ok(()) => {}
                Err(Error::Exhausted { failures: last, .. }) => {
                    failures.extend(last);
                    continue;
                }
                Err(error) => return Err(error),
            }
            // The only source of the round was number 0 of it.
            self.senders.fill(Some(at));
            let found = self.found().await?;
            if found == self.digest {
                self.blame(&before, &witness.changed(), source.name(), observe);
                return Ok(());
            }
            let failure = Failure::of(
                source.name(),
                Cause::Digest(Box::new(WrongFile { expected: self.digest, found })),
            );
            observe(Notice::Failed { failure: &failure, retry_in: None });
            failures.push(failure);
        }
        let what = self.store.name().to_owned();
        Err(Error::Corrupt { what, failures })
    }

    /// Names those whose parts were others than those of `right`.
    fn blame(&self, senders: &[Option<usize>], changed: &[u64], right: &str, observe: Observer<'_>) {
        for (at, source) in self.sources.iter().enumerate() {
            let part = |offset: &&u64| senders.get(self.layout.index(**offset)) == Some(&Some(at));
            let Some(first) = changed.iter().filter(part).min() else { continue };
            let cause = Cause::Contradicts { right: right.to_owned() };
            let failure = Failure { offset: Some(*first), ..Failure::of(source.name(), cause) };
            observe(Notice::Failed { failure: &failure, retry_in: None });
        }
    }

    /// Fetches the parts that are not `there` from `sources`, which are all or one of ours.
    async fn gather(
        &mut self,
        sources: &[Arc<dyn Source>],
        there: &[bool],
        store: Arc<dyn Store>,
        observe: Observer<'_>,
    ) -> Result<(), Error> {
        let gathered = gather(&self.layout, sources, store, there, &self.options, observe).await?;
        let Gathered { by_source, senders } = gathered;
        let place = |at: usize| {
            let source = sources.get(at)?;
            self.sources.iter().position(|own| Arc::ptr_eq(own, source))
        };
        for (at, bytes) in by_source.into_iter().enumerate() {
            if let Some(sum) = place(at).and_then(|place| self.by_source.get_mut(place)) {
                *sum += bytes;
            }
        }
        let places: Vec<Option<usize>> = (0..sources.len()).map(place).collect();
        for (slot, sender) in self.senders.iter_mut().zip(senders) {
            if let Some(sender) = sender.and_then(|sender| places.get(sender.0).copied().flatten()) {
                *slot = Some(sender);
            }
        }
        Ok(())
    }

    /// The digest of what is in the store.
    async fn found(&self) -> Result<Digest, Error> {
        let (store, size) = (self.store.clone(), self.layout.size);
        let read = blocking(move || digest_store(&*store, size)).await?;
        read.map(Digester::finish).map_err(|source| self.store_error(source))
    }

    fn length(&self, part: u32) -> u64 {
        let range = self.layout.range(part);
        range.end - range.start
    }

    fn store_error(&self, source: io::Error) -> Error {
        Error::of_store(&*self.store, 0, source)
    }
}

/// Digests the parts in the order of the file as they come; `None` when the download ends before.
async fn follow(handle: Handle, layout: Arc<Layout>, store: Arc<dyn Store>) -> Option<io::Result<Digest>> {
    let mut digester = Digester::default();
    for part in 0..layout.count() {
        handle.wait_for(part..part + 1).await.ok()?;
        let (layout, store) = (layout.clone(), store.clone());
        let read = move || -> io::Result<Digester> {
            let range = layout.range(part);
            // A part is as long as a chunk of an image, at most.
            let mut bytes = vec![0; (range.end - range.start) as usize];
            store.read_at(range.start, &mut bytes)?;
            digester.update(&bytes);
            Ok(digester)
        };
        digester = match blocking(read).await.ok()? {
            Ok(digester) => digester,
            Err(error) => return Some(Err(error)),
        };
    }
    Some(Ok(digester.finish()))
}
