//! Digesting and storing beside the network.

use std::io;
use std::sync::Arc;

use bootwright_image::Digester;
use bytes::Bytes;
use tokio::task::JoinHandle;

use super::BATCH;
use crate::store::Store;

/// Digests and writes on a worker thread, one batch at a time.
pub(super) struct Writer {
    pub(super) store: Arc<dyn Store>,
    pub(super) job: Option<JoinHandle<io::Result<Digester>>>,
}

impl Writer {
    pub(super) fn start(&mut self, mut digester: Digester, at: u64, pieces: Vec<Bytes>) {
        let store = self.store.clone();
        self.job = Some(tokio::task::spawn_blocking(move || {
            pieces.iter().for_each(|piece| digester.update(piece));
            store.write_at(at, &pieces)?;
            Ok(digester)
        }));
    }
}

/// Digests what is in the store, of at most `limit` bytes.
pub(super) fn digest_store(store: &dyn Store, limit: u64) -> io::Result<Digester> {
    let mut digester = Digester::default();
    let size = store.size()?.min(limit);
    let mut buffer = vec![0; BATCH];
    while digester.bytes() < size {
        let now = (size - digester.bytes()).min(BATCH as u64) as usize;
        let part = buffer.get_mut(..now).unwrap_or_default();
        store.read_at(digester.bytes(), part)?;
        digester.update(part);
    }
    Ok(digester)
}
