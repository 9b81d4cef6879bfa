//! The thread that makes leases durable before their answers go out.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use bootwright_netboot::dhcp::server::Output;

use super::{BATCH, Journal, Outbox, Port, now};

/// Batches that wait for the disk. When it stands still the server stops taking packets rather than
/// filling memory.
const WAITING: usize = 16;

type Batch = Vec<(Port, Output)>;

/// The way to the thread. Dropping it waits until what was added is durable and sent.
#[derive(Debug)]
pub(super) struct Commit {
    batches: Option<SyncSender<Batch>>,
    thread: Option<JoinHandle<()>>,
}

impl Commit {
    pub(super) fn start(journal: Journal, outbox: Outbox) -> io::Result<Self> {
        let (batches, waiting) = sync_channel(WAITING);
        let work = move || run(journal, &outbox, &waiting);
        let thread = std::thread::Builder::new().name("leases".into()).spawn(work)?;
        Ok(Self { batches: Some(batches), thread: Some(thread) })
    }

    /// Hands over outputs that change leases.
    pub(super) fn add(&self, batch: Batch) {
        if !batch.is_empty()
            && let Some(batches) = &self.batches
            && batches.send(batch).is_err()
        {
            tracing::error!("the thread that keeps leases is gone: no lease is given");
        }
    }
}

impl Drop for Commit {
    fn drop(&mut self) {
        drop(self.batches.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that keeps leases has panicked");
        }
    }
}

fn run(mut journal: Journal, outbox: &Outbox, waiting: &Receiver<Batch>) {
    while let Ok(mut batch) = waiting.recv() {
        while batch.len() < BATCH
            && let Ok(more) = waiting.try_recv()
        {
            batch.extend(more);
        }
        let changes = batch.iter().filter_map(|(_, output)| output.change.as_ref());
        let kept = journal.append(changes).and_then(|()| journal.compact_if_long(now()));
        match kept {
            Ok(()) => batch.into_iter().for_each(|(port, output)| outbox.put(port, output)),
            // The machines ask again, and the operator reads why they must.
            Err(error) => {
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                tracing::error!("no lease is given: {error}{}", cause.unwrap_or_default());
            }
        }
    }
}
