//! A reader that does not want to wait until everything is there.

use std::ops::Range;
use std::sync::Arc;

use bootwright_fetch::schedule::Ranges;
use bootwright_fetch::{Body, BoxFuture, Failure, FileStore, Handle, Phase, Source, Store as _, fetch};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::sync::Semaphore;

use crate::{CHUNK, content, manifest, options};

/// A mirror that sends one chunk of a request, and then waits for a permit for each.
struct Reluctant {
    content: Bytes,
    permits: Arc<Semaphore>,
}

impl Source for Reluctant {
    fn name(&self) -> &str {
        "reluctant"
    }

    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Body, Failure>> {
        let bytes = self.content.slice(range.start as usize..range.end as usize);
        let pieces = bytes.chunks(CHUNK).map(Bytes::copy_from_slice).collect::<Vec<_>>();
        let permits = self.permits.clone();
        let bytes = stream::iter(pieces.into_iter().enumerate()).then(move |(at, piece)| {
            let permits = permits.clone();
            async move {
                if at > 0 {
                    permits.acquire().await.unwrap().forget();
                }
                Ok(piece)
            }
        });
        Box::pin(async move { Ok(Body { ranges: Ranges::Honoured, address: None, bytes: Box::pin(bytes) }) })
    }
}

#[tokio::test]
async fn a_chunk_that_is_wanted_now_does_not_wait_for_the_requests_before_it() {
    let content = content(40);
    let manifest = manifest(&content);
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(FileStore::in_place(&directory.path().join("out")).unwrap());
    let permits = Arc::new(Semaphore::new(0));
    let source: Arc<dyn Source> =
        Arc::new(Reluctant { content: content.clone().into(), permits: permits.clone() });
    let handle = Handle::new();
    let mut options = options(bootwright_fetch::Retries::Finite(0));
    options.stall = std::time::Duration::from_secs(60);
    options.span = 64 * CHUNK as u64;
    options.handle = Some(handle.clone());
    let (fetching, reading) = (store.clone(), store.clone());
    let download = tokio::spawn(async move {
        fetch(&manifest, &[source], fetching, &options, &mut |_| ()).await.map(|_| ())
    });
    // The one request for everything has sent its first chunk and stands still.
    handle.wait_for(0..1).await.unwrap();
    handle.want([33]);
    handle.wait_for(33..34).await.unwrap();
    let mut bytes = vec![0; CHUNK];
    reading.read_at(33 * CHUNK as u64, &mut bytes).unwrap();
    assert_eq!(bytes, content[33 * CHUNK..34 * CHUNK]);
    assert!(!handle.has(32));
    permits.add_permits(1000);
    download.await.unwrap().unwrap();
    assert_eq!(handle.state().phase, Phase::Complete);
    assert_eq!(std::fs::read(directory.path().join("out")).unwrap(), content);
}

#[tokio::test]
async fn who_waits_learns_that_the_download_was_dropped() {
    let content = content(4);
    let manifest = manifest(&content);
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(FileStore::in_place(&directory.path().join("out")).unwrap());
    let source: Arc<dyn Source> =
        Arc::new(Reluctant { content: content.into(), permits: Arc::new(Semaphore::new(0)) });
    let handle = Handle::new();
    let mut options = options(bootwright_fetch::Retries::Infinite);
    options.handle = Some(handle.clone());
    let download =
        tokio::spawn(
            async move { fetch(&manifest, &[source], store, &options, &mut |_| ()).await.map(|_| ()) },
        );
    handle.wait_for(0..1).await.unwrap();
    let waits = tokio::spawn({
        let handle = handle.clone();
        async move { handle.wait_for(3..4).await }
    });
    download.abort();
    assert!(waits.await.unwrap().is_err());
    assert_eq!(handle.state().phase, Phase::Failed);
}
