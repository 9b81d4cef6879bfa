use bootwright_fetch::schedule::Ranges;
use bootwright_fetch::{Body, BoxFuture, Failure, FileStore, Options, Source, fetch};
use bootwright_image::chunks::ChunkDigester;
use bootwright_image::{Digest, RootFormat, RootManifest, Verified};
use bytes::Bytes;
use tokio::sync::Semaphore;

use super::*;

const CHUNK: usize = 4096;

/// A mirror that answers when it is let.
struct Gated {
    content: Vec<u8>,
    open: Arc<Semaphore>,
}

impl Source for Gated {
    fn name(&self) -> &str {
        "gated"
    }

    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Body, Failure>> {
        Box::pin(async move {
            let _permit = self.open.acquire().await;
            let bytes = self.content[range.start as usize..range.end as usize].to_vec();
            let bytes = Box::pin(futures_util::stream::iter([Ok(Bytes::from(bytes))]));
            Ok(Body { ranges: Ranges::Honoured, address: None, bytes })
        })
    }
}

struct Device {
    kernel: UnixStream,
    blocks: Arc<Blocks>,
    open: Arc<Semaphore>,
    content: Vec<u8>,
    _directory: tempfile::TempDir,
}

fn manifest(content: &[u8]) -> Verified<RootManifest> {
    let mut digester = ChunkDigester::new(CHUNK as u32);
    digester.update(content);
    let (size, digest, chunks) = digester.finish();
    let (file, format) = ("root.img".to_owned(), RootFormat::Erofs);
    let manifest = RootManifest { schema: 1, file, format, size, digest, chunks, verity: None };
    let bytes = manifest.to_bytes().unwrap();
    RootManifest::verify(&bytes, &Digest::of(&bytes)).unwrap()
}

fn device(patience: Duration) -> Device {
    let content: Vec<u8> = (0..10 * CHUNK).map(|at| (at / 7 % 251) as u8).collect();
    let manifest = manifest(&content);
    let directory = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(FileStore::in_place(&directory.path().join("root.img")).unwrap());
    let handle = Handle::new();
    let layout = (manifest.size, manifest.chunks.size);
    let blocks = Arc::new(Blocks::new(Arc::clone(&store), handle.clone(), layout, patience));
    let open = Arc::new(Semaphore::new(0));
    let source: Arc<dyn Source> = Arc::new(Gated { content: content.clone(), open: Arc::clone(&open) });
    let options = Options { handle: Some(handle), span: CHUNK as u64, ..Options::default() };
    tokio::spawn(async move {
        fetch(&manifest, &[source], store, &options, &mut |_| ()).await.unwrap();
    });
    let (kernel, ours) = UnixStream::pair().unwrap();
    tokio::spawn(Arc::clone(&blocks).serve(ours));
    Device { kernel, blocks, open, content, _directory: directory }
}

fn request(kind: u8, cookie: u8, offset: u64, length: u32) -> Vec<u8> {
    let cookie = [cookie; 8];
    [&[0x25, 0x60, 0x95, 0x13, 0, 0, 0, kind], &cookie[..], &offset.to_be_bytes(), &length.to_be_bytes()]
        .concat()
}

impl Device {
    async fn ask(&mut self, kind: u8, cookie: u8, offset: u64, length: u32) {
        self.kernel.write_all(&request(kind, cookie, offset, length)).await.unwrap();
    }

    /// The cookie's letter, the error, and so many bytes when there is none.
    async fn answer(&mut self, length: usize) -> (u8, u32, Vec<u8>) {
        let mut head = [0; 16];
        self.kernel.read_exact(&mut head).await.unwrap();
        assert_eq!(head[..4], [0x67, 0x44, 0x66, 0x98]);
        let error = u32::from_be_bytes(head[4..8].try_into().unwrap());
        let mut bytes = vec![0; if error == 0 { length } else { 0 }];
        self.kernel.read_exact(&mut bytes).await.unwrap();
        (head[8], error, bytes)
    }
}

#[tokio::test]
async fn a_read_waits_for_its_chunks_and_gets_the_right_bytes() {
    let mut device = device(Duration::from_secs(600));
    device.ask(0, 7, 3 * CHUNK as u64 + 100, 6000).await;
    assert_eq!(device.blocks.idle(), None);
    while device.blocks.longest_wait().is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(device.blocks.idle(), Some(Duration::ZERO), "a read that waits has not come to its end");
    device.open.add_permits(100);
    let (cookie, error, bytes) = device.answer(6000).await;
    assert_eq!((cookie, error), (7, 0));
    assert!(bytes == device.content[3 * CHUNK + 100..][..6000]);
    assert_eq!(device.blocks.longest_wait(), None);
    assert!(device.blocks.idle().unwrap() > Duration::ZERO);
    device.blocks.with_trace(|trace| {
        assert_eq!(trace.order(), [3, 4]);
        assert_eq!((trace.waits().reads, trace.waits().waited), (1, 1));
    });
}

#[tokio::test]
async fn what_the_device_cannot_do_is_refused_and_the_next_read_still_answered() {
    let mut device = device(Duration::from_secs(600));
    device.open.add_permits(100);
    let size = device.content.len() as u64;
    for (kind, offset, length) in
        [(1, 0, 512), (0, size, 512), (0, size - 256, 512), (0, u64::MAX, 512), (0, 0, u32::MAX), (0, 0, 0)]
    {
        device.ask(kind, 1, offset, length).await;
        assert_eq!(device.answer(0).await, (1, EINVAL, Vec::new()), "{kind} {offset} {length}");
    }
    device.ask(0, 2, size - 512, 512).await;
    assert!(device.answer(512).await.2 == device.content[device.content.len() - 512..]);
    device.ask(2, 3, 0, 0).await;
    assert_eq!(device.kernel.read(&mut [0]).await.unwrap(), 0, "it has said goodbye");
}

#[tokio::test]
async fn a_read_that_starves_fails_and_is_told() {
    let mut device = device(Duration::from_millis(50));
    device.ask(0, 9, 0, 512).await;
    device.blocks.starved().await;
    assert_eq!(device.answer(0).await, (9, EIO, Vec::new()));
}

#[tokio::test]
async fn one_who_speaks_something_else_is_left() {
    let mut device = device(Duration::from_secs(600));
    device.kernel.write_all(&[0xff; REQUEST]).await.unwrap();
    assert_eq!(device.kernel.read(&mut [0]).await.unwrap(), 0);
}
