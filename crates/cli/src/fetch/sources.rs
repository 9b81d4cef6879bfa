//! Where chunks come from, and what each has sent.

use std::path::Path;
use std::sync::Arc;

use bootwright_fetch::{Complete, FileSource, Source};

use super::done::{Sent, SourceKind};
use super::image::io;
use super::peers;
use crate::failure::Failure;

/// The sources of one download.
pub(super) struct Sources {
    pub(super) list: Vec<Arc<dyn Source>>,
    /// So many of them, the first ones, are on this machine.
    locals: usize,
}

impl Sources {
    /// For a file at `path`: an earlier version that is there has many of the chunks.
    pub(super) fn for_file(path: &Path) -> Result<Self, Failure> {
        let mut list: Vec<Arc<dyn Source>> = Vec::new();
        if path.is_file() {
            list.push(Arc::new(FileSource::open(path).map_err(|error| io(path, &error))?));
        }
        Ok(Self { locals: list.len(), list })
    }

    /// One more, unless it is among them.
    pub(super) fn add(&mut self, source: Arc<dyn Source>) {
        if !self.list.iter().any(|other| other.name() == source.name()) {
            self.list.push(source);
        }
    }

    /// What each has sent, and each peer.
    pub(super) fn sent(&self, done: &Complete) -> Vec<Sent> {
        let sent = self.list.iter().zip(&done.by_source).enumerate().map(|(at, (source, bytes))| Sent {
            source: source.name().to_owned(),
            kind: if at < self.locals { SourceKind::Local } else { SourceKind::Mirror },
            bytes: *bytes,
            refused: 0,
        });
        sent.chain(peers::sent(&done.by_peer)).collect()
    }
}
