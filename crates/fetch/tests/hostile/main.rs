//! The engine against servers that do everything a server should not, in one process.
//!
//! Nothing here waits for the usual time-outs: the options are the same with small numbers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chunks;
mod demand;
mod mixed;
mod resume;
mod server;
mod small;
mod speed;
mod tls;
mod whole;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bootwright_fetch::{
    Backoff, Client, Complete, Error, FileStore, HttpSource, Notice, Options, Retries, RetryPolicy, Source,
    Timeouts, Trust, dns::Resolver, fetch,
};
use bootwright_image::chunks::ChunkDigester;
use bootwright_image::{Digest, RootFormat, RootManifest, Verified};
use url::Url;

/// Bytes per chunk in these tests.
pub const CHUNK: usize = 64 << 10;

/// A file of that many chunks and a bit, no two bytes runs alike, with one chunk of zeros.
pub fn content(chunks: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(chunks * CHUNK + 1234).collect();
    bytes[CHUNK..2 * CHUNK].fill(0);
    bytes
}

/// The manifest of `content`, in chunks of [`CHUNK`].
pub fn manifest(content: &[u8]) -> Verified<RootManifest> {
    let mut digester = ChunkDigester::new(CHUNK as u32);
    digester.update(content);
    let (size, digest, chunks) = digester.finish();
    let file = "root.img".into();
    let manifest =
        RootManifest { schema: 1, file, format: RootFormat::Squashfs, size, digest, chunks, verity: None };
    let bytes = manifest.to_bytes().unwrap();
    RootManifest::verify(&bytes, &Digest::of(&bytes)).unwrap()
}

/// A client that believes Mozilla's authorities alone.
pub fn client() -> Arc<Client> {
    trusting(&Trust::default())
}

/// A client with short time-outs and no DNS.
pub fn trusting(trust: &Trust) -> Arc<Client> {
    let short = Duration::from_millis(400);
    let timeouts = Timeouts { connect: short, answer: short, stall: short };
    Arc::new(Client::new(Resolver::new(&[], &[]), trust, timeouts).unwrap())
}

/// Short waits.
pub fn retry(retries: Retries) -> RetryPolicy {
    let backoff = Backoff { base: Duration::from_millis(10), max: Duration::from_millis(100) };
    RetryPolicy { retries, backoff }
}

/// Short waits, spans of four chunks.
pub fn options(retries: Retries) -> Options {
    Options {
        retry: retry(retries),
        span: 4 * CHUNK as u64,
        stall: Duration::from_millis(400),
        ..Options::default()
    }
}

/// What a download came to.
pub struct Outcome {
    /// How it ended.
    pub result: Result<Complete, Error>,
    /// Each failure that was told, in words.
    pub told: Vec<String>,
}

impl Outcome {
    /// It must have ended well.
    pub fn complete(self) -> Complete {
        self.result.unwrap_or_else(|error| panic!("{error}"))
    }

    /// It must have failed: the error and its causes on one line.
    pub fn error(self) -> String {
        bootwright_fetch::explain(&self.result.expect_err("the download must fail"))
    }

    /// Whether a failure was told that mentions all of `words`.
    pub fn tells(&self, words: &[&str]) -> bool {
        self.told.iter().any(|line| words.iter().all(|word| line.contains(word)))
    }
}

/// Fetches `content` from `urls` into `out`, at most 4 retries.
pub async fn download(content: &[u8], urls: &[Url], out: &Path) -> Outcome {
    attempt(content, urls, out, Retries::Finite(4)).await
}

/// Fetches `content` from `urls` into `out` with so many retries.
pub async fn attempt(content: &[u8], urls: &[Url], out: &Path, retries: Retries) -> Outcome {
    let manifest = manifest(content);
    let client = client();
    let source = |url: &Url| -> Arc<dyn Source> {
        Arc::new(HttpSource::new(client.clone(), url.clone(), Some(manifest.size)))
    };
    let sources: Vec<_> = urls.iter().map(source).collect();
    let store = Arc::new(FileStore::create(out).unwrap());
    let mut told = Vec::new();
    let mut observe = |notice: Notice<'_>| {
        if let Notice::Failed { failure, .. } = notice {
            told.push(failure.explain());
        }
    };
    let options = options(retries);
    let run = fetch(&manifest, &sources, store, &options, &mut observe);
    let result = tokio::time::timeout(Duration::from_secs(30), run).await.expect("it hangs");
    Outcome { result, told }
}
