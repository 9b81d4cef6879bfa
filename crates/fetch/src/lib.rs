//! The download engine: takes the chunks of a file from whoever has them, checks each before it is
//! stored.
//!
//! # The way through it
//!
//! [`fetch()`] is given a verified root manifest, [sources](Source) and a [`Store`]:
//!
//! 1. The [scheduler](schedule), a state machine without I/O or clock, says which source is asked for
//!    which run of chunks, and when a source that failed is asked again.
//! 2. A [`Source`] gives a stream of bytes: [`HttpSource`] by Range over a [`Client`] with its own
//!    [resolver](dns), [`WebSeed`] the files of a torrent, [`FileSource`] from this machine.
//! 3. A worker thread takes the SHA-256 of each chunk as it is complete, and only a right one is written
//!    to its place in the [`Store`]. Chunks of zeros are neither asked for nor written.
//!
//! With [`fetch_with_peers`] the machines of a fleet give each other what they have: the [swarm] asks and
//! serves peers over the BitTorrent protocol, mirrors do the rest, and a [`Seeder`] goes on giving. Its
//! [policy](swarm::policy) is a state machine too, which the [simulation](sim) plays for whole fleets.
//!
//! A [`Handle`] talks to a download while it runs: these chunks now, tell me when they are there.
//!
//! The torrents of others go the same way by [`fetch_torrent`], into a [`FileSet`] when they have several files, and
//! [`fetch_metadata`] gets what a magnet link leaves out. Their pieces are told by SHA-1: nothing of theirs is
//! ever taken for what a manifest vouches for.
//!
//! What is not in chunks has its own ways: [`get_small`] for manifests, [`post_json`] for reports,
//! [`fetch_file`] for a plain file with or without a digest, which may be read while it arrives ([`InOrder`]),
//! [`fetch_file_from`] for one with a digest from several mirrors at once; [`sums`] finds a digest beside it.
//!
//! Every failure of a source carries its evidence ([`Failure`]): URL, address, byte, status, DNS answers,
//! errno. An [`Error`] that ends a download lists the last failure of each source.
//!
//! All of it runs on a tokio runtime of any flavour; one thread is enough.
//!
//! ```no_run
//! # use std::{path::Path, sync::Arc};
//! # use bootwright_fetch::*;
//! # async fn example(pin: bootwright_image::Pin) -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(dns::Resolver::from_system(), &Trust::default(), Timeouts::default())?;
//! let client = Arc::new(client);
//! let root_json = url::Url::parse("http://10.0.0.1/images/worker/root.json")?;
//! let retry = RetryPolicy::default();
//! let small = get_small(&client, &root_json, bootwright_image::MAX_MANIFEST, retry, &mut |_| ()).await?;
//! let manifest = pin.verify(&small.bytes)?;
//!
//! let mirror = HttpSource::new(client, small.url.join(&manifest.file)?, Some(manifest.size));
//! let store = Arc::new(FileStore::in_place(Path::new("/run/bootwright/root.img"))?);
//! let sources: [Arc<dyn Source>; 1] = [Arc::new(mirror)];
//! fetch(&manifest, &sources, store, &Options::default(), &mut |notice| {
//!     if let Notice::Progress(progress) = notice {
//!         eprint!("\r{} of {} bytes", progress.stored, progress.total);
//!     }
//! })
//! .await?;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

pub mod dns;
mod error;
mod fetch;
mod handle;
mod http;
mod layout;
mod options;
mod piece;
mod retry;
pub mod schedule;
pub mod sim;
mod small;
mod source;
mod store;
pub mod sums;
pub mod swarm;
mod verify;
mod whole;

pub use error::{BadChunk, Cause, Error, Failure, Fault, WrongFile, explain};
pub use fetch::{Complete, fetch, fetch_torrent, fetch_with_peers};
pub use handle::{Ended, Handle, HandleState, Phase};
pub use http::{
    ANSWER_TIMEOUT, CONNECT_TIMEOUT, Client, MAX_REDIRECTS, STALL_TIMEOUT, Timeouts, Trust, TrustError,
};
pub use layout::ChunkDigest;
pub use options::{
    BAD_CHUNK_LIMIT, BAD_SOURCE_LIMIT, IN_FLIGHT, Notice, Observer, Options, Progress, SPAN,
    SPAN_BESIDE_PEERS,
};
pub use retry::{BACKOFF_BASE, BACKOFF_MAX, Backoff, HEARSAY_MAX, RETRY_AFTER_MAX, Retries, RetryPolicy};
pub use small::{Small, get_small, post_json};
#[cfg(feature = "ftp")]
pub use source::FtpSource;
pub use source::{
    Begun, Body, BoxFuture, BoxStream, FileSource, HttpSource, Looked, Mirror, MirrorKey, Source, WebSeed,
    mirror,
};
pub use store::{Arriving, FileSet, FileStore, InOrder, ReadOnly, Store};
pub use swarm::{
    LocalDiscovery, METADATA_HOPE, PeerOptions, PeerShare, Port, SeedStatus, Seeder, fetch_metadata,
};
pub use whole::{FileComplete, FileOptions, MixedComplete, fetch_file, fetch_file_from};
