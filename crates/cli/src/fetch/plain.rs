//! A file without chunks: from all mirrors at once when a digest judges the whole, else one stream from the first
//! mirror that works.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bootwright_fetch::sums::{MAX_SUMS, Said};
use bootwright_fetch::{
    BACKOFF_BASE, Backoff, Cause, Error, FileComplete, FileOptions, FileStore, Mirror, Notice, Options,
    Retries, RetryPolicy, Small, Store, explain, fetch_file, fetch_file_from, get_small, mirror, sums,
};
use bootwright_image::Digest;
use url::Url;

use super::address::file_name;
use super::done::{Fetched, Sent, SourceKind, Verified};
use super::image::{bad, io};
use super::show::Show;
use super::unpack::Unpacking;
use super::{Job, failure, place};
use crate::failure::Failure;

/// How often something is tried again that may well not be there.
const PERHAPS: RetryPolicy =
    RetryPolicy { retries: Retries::Finite(1), backoff: Backoff { base: BACKOFF_BASE, max: BACKOFF_BASE } };

/// A file to be fetched as a whole.
pub(super) struct Whole<'a> {
    /// What the server calls it.
    pub(super) name: &'a str,
    /// Where it is, the first choice first.
    pub(super) urls: Vec<Url>,
    /// Its bytes, when they are known.
    pub(super) size: Option<u64>,
    /// What it must be.
    pub(super) digest: Option<Digest>,
    /// Who says so.
    pub(super) verified: Verified,
}

impl Job<'_> {
    /// Fetches a plain file.
    pub(super) async fn plain(&self, url: &Url) -> Result<Fetched, Failure> {
        let name =
            percent_encoding::percent_decode_str(file_name(url).unwrap_or_default()).decode_utf8_lossy();
        let (digest, verified) = match self.options.digest {
            Some(digest) => (Some(digest), Verified::Digest),
            None => self.sums(url, &name).await,
        };
        let urls = self.mirrors(url.clone(), &name, None);
        self.whole(Whole { name: &name, urls, size: None, digest, verified }).await
    }

    /// Looks for checksums beside the file.
    async fn sums(&self, url: &Url, name: &str) -> (Option<Digest>, Verified) {
        for (place, about) in sums::places(url) {
            let Some(small) = self.perhaps(&place, MAX_SUMS).await else { continue };
            match sums::look(&String::from_utf8_lossy(&small.bytes), name, about) {
                Said::Digest(digest) => return (Some(digest), Verified::Sums(told(&place))),
                Said::Nothing => eprintln!("bootwright: {} says nothing of {name}", told(&place)),
                Said::NoSums(line) => {
                    eprintln!("bootwright: {} is no file of checksums (line {line}): not used", told(&place));
                }
            }
        }
        (None, Verified::Nobody)
    }

    /// Fetches it from all URLs at once, or from one after the other until one gives the right file.
    pub(super) async fn whole(&self, wanted: Whole<'_>) -> Result<Fetched, Failure> {
        let started = Instant::now();
        let path = place::path(self.options.output.as_deref(), wanted.name, self.options.decompress)?;
        let unpacking = self.unpacking(&path)?;
        let store: Arc<dyn Store> = match &unpacking {
            Some(unpacking) => unpacking.clone(),
            None => Arc::new(FileStore::create(&path).map_err(|error| io(&path, &error))?),
        };
        let source = |url: &Url| mirror(&self.client, url.clone(), wanted.size);
        let mirrors: Vec<_> = wanted.urls.iter().map(source).collect();
        let mixed = match wanted.digest.filter(|_| mirrors.len() > 1 && unpacking.is_none()) {
            Some(digest) => mixed(&wanted, &mirrors, digest, store.clone()).await?,
            None => None,
        };
        let came = match mixed {
            Some(came) => came,
            None => one_by_one(&wanted, &mirrors, store).await?,
        };
        Ok(Fetched {
            file: path,
            size: came.file.size,
            digest: Some(came.file.digest),
            verified: wanted.verified,
            kept: came.kept,
            refused: 0,
            sources: came.sources,
            unpacked: unpacking.and_then(|unpacking| unpacking.unpacked()),
            took: started.elapsed(),
            complete: true,
        })
    }

    /// A store that unpacks, when that was asked for.
    fn unpacking(&self, path: &Path) -> Result<Option<Arc<Unpacking>>, Failure> {
        let create = || Unpacking::create(path).map(Arc::new).map_err(|error| io(path, &error));
        self.options.decompress.then(create).transpose()
    }

    /// A small file that may not be there; any other trouble is told.
    pub(super) async fn perhaps(&self, url: &Url, limit: usize) -> Option<Small> {
        match get_small(&self.client, url, limit, PERHAPS, &mut |_| ()).await {
            Ok(small) => Some(small),
            Err(error) => {
                let absent = match &error {
                    Error::Transfer { failure, .. } => {
                        matches!(
                            failure.cause,
                            Cause::Status { status: 400..500, .. } | Cause::Ftp { code: 550, .. }
                        )
                    }
                    _ => false,
                };
                if !absent {
                    eprintln!("bootwright: looking for {}: {}", told(url), explain(&error));
                }
                None
            }
        }
    }

    /// A small file that must be there.
    pub(super) async fn small(&self, url: &Url, limit: usize) -> Result<Small, Failure> {
        let show = Show::new(file_name(url).unwrap_or_default(), 1);
        let observe = &mut |notice: Notice<'_>| show.notice(&notice);
        let got = get_small(&self.client, url, limit, RetryPolicy::default(), observe).await;
        got.map_err(|error| failure(&error))
    }
}

/// A file that has come.
struct Came {
    file: FileComplete,
    /// Bytes that were there before.
    kept: u64,
    sources: Vec<Sent>,
}

/// From all mirrors at once, when there are several that can be mixed.
async fn mixed(
    wanted: &Whole<'_>,
    mirrors: &[Arc<dyn Mirror>],
    digest: Digest,
    store: Arc<dyn Store>,
) -> Result<Option<Came>, Failure> {
    let show = Show::new(wanted.name, mirrors.len());
    let observe = &mut |notice: Notice<'_>| show.notice(&notice);
    let (limit, options) = (wanted.size.unwrap_or(u64::MAX), Options::default());
    let done = fetch_file_from(mirrors, digest, limit, store, &options, observe).await;
    let Some(done) = done.map_err(|error| failure(&error))? else { return Ok(None) };
    let sources = mirrors.iter().zip(&done.by_source).map(|(mirror, bytes)| sent(&**mirror, *bytes));
    Ok(Some(Came { file: done.file, kept: done.kept, sources: sources.collect() }))
}

/// From one mirror after the other.
async fn one_by_one(
    wanted: &Whole<'_>,
    mirrors: &[Arc<dyn Mirror>],
    store: Arc<dyn Store>,
) -> Result<Came, Failure> {
    let show = Show::new(wanted.name, mirrors.len());
    let mut sources = Vec::new();
    let (mut stored, mut kept) = (0, None);
    let mut last: Option<Error> = None;
    for source in mirrors {
        if let Some(error) = last.take() {
            show.line(&format!("warning: {}; goes on with {}", explain(&error), source.name()));
        }
        let before = stored;
        let observe = &mut |notice: Notice<'_>| {
            if let Notice::Progress(progress) = &notice {
                stored = progress.stored;
                kept.get_or_insert(progress.kept);
            }
            show.notice(&notice);
        };
        let options = FileOptions::up_to(wanted.size.unwrap_or(u64::MAX));
        let result = fetch_file(&**source, wanted.digest, store.clone(), &options, observe).await;
        let base = before.max(kept.unwrap_or(0));
        sources.push(sent(&**source, stored.saturating_sub(base)));
        match result {
            Ok(file) => return Ok(Came { file, kept: kept.unwrap_or(0), sources }),
            Err(error @ (Error::Transfer { .. } | Error::Digest { .. } | Error::TooLarge { .. })) => {
                if matches!(error, Error::Digest { .. }) {
                    // The bytes of a wrong file are of no use to the next mirror.
                    stored = 0;
                    store.resize(0).map_err(|error| io(Path::new(store.name()), &error))?;
                }
                last = Some(error);
            }
            Err(error) => return Err(failure(&error)),
        }
    }
    Err(last.map_or_else(|| bad(format!("{}: no URL", wanted.name)), |error| failure(&error)))
}

fn sent(mirror: &dyn Mirror, bytes: u64) -> Sent {
    Sent { source: mirror.name().to_owned(), kind: SourceKind::Mirror, bytes, refused: 0 }
}

/// The URL as it may be told: without a password.
fn told(url: &Url) -> String {
    let mut told = url.clone();
    // Fails only for URLs that cannot have one.
    let _ = told.set_password(None);
    told.to_string()
}
