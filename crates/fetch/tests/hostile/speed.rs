//! Mirrors of unequal speed.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bootwright_fetch::{Complete, FileStore, HttpSource, Options, Retries, Source, fetch};

use crate::server::{Answer, Server};
use crate::{CHUNK, client, content, manifest, retry};

/// Fetches from `servers` with the usual patience for those that send nothing.
async fn get(servers: &[&Server], content: &[u8], out: &Path) -> (Complete, Duration) {
    let (manifest, client) = (manifest(content), client());
    let source = |server: &&Server| -> Arc<dyn Source> {
        Arc::new(HttpSource::new(client.clone(), server.url("root.img"), Some(manifest.size)))
    };
    let sources: Vec<_> = servers.iter().map(source).collect();
    let store = Arc::new(FileStore::create(out).unwrap());
    let options = Options { retry: retry(Retries::Finite(4)), ..Options::default() };
    let begun = Instant::now();
    let done = fetch(&manifest, &sources, store, &options, &mut |_| ()).await.unwrap();
    assert!(std::fs::read(out).unwrap() == content);
    (done, begun.elapsed())
}

#[tokio::test]
async fn a_slow_mirror_gets_little_and_is_relieved_at_the_end() {
    let content = content(160);
    // 6 MB/s at most, and 80 KB/s: alone it would take more than two minutes.
    let quick = Server::start(&content, &[Answer::Slow(CHUNK, 10)]).await;
    let slow = Server::start(&content, &[Answer::Slow(8 << 10, 100)]).await;
    let place = tempfile::tempdir().unwrap();
    let (done, took) = get(&[&slow, &quick], &content, &place.path().join("root.img")).await;
    assert!(done.by_source[0] < done.by_source[1] / 10, "{done:?}");
    // A third of what the slow one would need for the four chunks of its first request and the next ones.
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[tokio::test]
async fn a_mirror_that_stalls_does_not_hold_up_the_end() {
    let content = content(40);
    let quick = Server::start(&content, &[Answer::Slow(CHUNK, 10)]).await;
    let dead = Server::start(&content, &[Answer::Stalled(CHUNK + 5)]).await;
    let place = tempfile::tempdir().unwrap();
    let (done, took) = get(&[&dead, &quick], &content, &place.path().join("root.img")).await;
    assert!(done.by_source[0] < done.by_source[1] / 5, "{done:?}");
    // It would be given up after 20 s without a byte.
    assert!(took < Duration::from_secs(10), "{took:?}");
}
