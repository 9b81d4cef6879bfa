//! Boot traces: the order in which machines read the chunks of their root until their system was up.
//!
//! A machine in mode `stream` reports its own (`POST /v1/trace`); the server merges them and gives the result to the
//! next machines (`/images/NAME/trace.json`), which fetch in that order. A trace is a hint and never trusted: it
//! decides when a chunk comes, not which bytes count.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::chunks::MAX_CHUNKS;
use crate::timeline::MachineId;

/// The name of an image's trace beside its manifest.
pub const TRACE: &str = "trace.json";

/// The longest trace, in bytes of JSON: a number of at most five digits for each chunk that a root can have, the
/// comma behind it, and little else.
pub const MAX_TRACE: usize = 6 * MAX_CHUNKS + 4096;

/// So many boots weigh as much as all that came before them: an image that changed its habits is followed.
const MEMORY: u32 = 16;

/// What a machine posts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceReport {
    /// Who reports.
    pub machine: MachineId,
    /// Its trace.
    #[serde(flatten)]
    pub trace: Trace,
}

/// Chunks in the order in which they are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The digest of the root manifest: the trace is of that root and no other.
    pub root: Digest,
    /// Each chunk once.
    pub chunks: Vec<u32>,
}

/// Why a trace is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// A number that no chunk has.
    #[error("the trace names chunk {chunk}, the root has {count}")]
    Chunk {
        /// The number.
        chunk: u32,
        /// Chunks of the root.
        count: usize,
    },
    /// A chunk that is there twice.
    #[error("the trace names chunk {0} twice")]
    Twice(u32),
}

impl Trace {
    /// Passes when it can be a trace of a root of `count` chunks.
    pub fn check(&self, count: usize) -> Result<(), TraceError> {
        let mut seen = vec![false; count.min(MAX_CHUNKS)];
        for &chunk in &self.chunks {
            let seen = seen.get_mut(chunk as usize).ok_or(TraceError::Chunk { chunk, count })?;
            if std::mem::replace(seen, true) {
                return Err(TraceError::Twice(chunk));
            }
        }
        Ok(())
    }
}

/// The traces of many boots of one root, merged: bounded by the number of its chunks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Merged {
    /// The digest of the root manifest.
    pub root: Digest,
    /// Boots that were merged.
    pub boots: u64,
    /// Of each chunk, what the boots said.
    chunks: BTreeMap<u32, Habit>,
}

/// What boots did with a chunk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Habit {
    /// How many read it, the older ones fading.
    readers: f64,
    /// The sum of its places in their traces, fading too.
    places: f64,
}

impl Merged {
    /// Of no boot yet.
    pub fn new(root: Digest) -> Self {
        Self { root, boots: 0, chunks: BTreeMap::new() }
    }

    /// Takes in the trace of one boot, which has passed its [check](Trace::check).
    pub fn take(&mut self, trace: &Trace) {
        let keep = 1.0 - 1.0 / f64::from(MEMORY);
        for habit in self.chunks.values_mut() {
            habit.readers *= keep;
            habit.places *= keep;
        }
        for (place, chunk) in trace.chunks.iter().enumerate() {
            let habit = self.chunks.entry(*chunk).or_default();
            habit.readers += 1.0;
            habit.places += place as f64;
        }
        // What one boot in hundreds read is no habit.
        self.chunks.retain(|_, habit| habit.readers > 0.01);
        self.boots = self.boots.saturating_add(1);
    }

    /// The chunks by their mean place among the boots that read them.
    pub fn trace(&self) -> Trace {
        let place = |habit: &Habit| habit.places / habit.readers.max(f64::MIN_POSITIVE);
        let mut chunks: Vec<(f64, u32)> =
            self.chunks.iter().map(|(chunk, habit)| (place(habit), *chunk)).collect();
        chunks.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        Trace { root: self.root, chunks: chunks.into_iter().map(|(_, chunk)| chunk).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn trace(chunks: &[u32]) -> Trace {
        Trace { root: Digest::of(b"root.json"), chunks: chunks.to_vec() }
    }

    #[test]
    fn what_most_boots_read_first_comes_first() {
        let mut merged = Merged::new(trace(&[]).root);
        for chunks in [&[5, 1, 9][..], &[5, 1], &[1, 5, 7], &[5, 1, 9]] {
            merged.take(&trace(chunks));
        }
        assert_eq!((merged.boots, merged.trace().chunks), (4, vec![5, 1, 7, 9]));
    }

    #[test]
    fn a_chunk_that_nobody_reads_any_more_is_forgotten() {
        let mut merged = Merged::new(trace(&[]).root);
        merged.take(&trace(&[3, 4]));
        (0..100).for_each(|_| merged.take(&trace(&[4])));
        assert_eq!(merged.trace().chunks, [4]);
    }

    #[test]
    fn numbers_that_no_chunk_has_and_doubles_are_refused() {
        assert_eq!(trace(&[0, 2, 1]).check(3), Ok(()));
        assert_eq!(trace(&[0, 3]).check(3), Err(TraceError::Chunk { chunk: 3, count: 3 }));
        assert_eq!(trace(&[0, 0]).check(3), Err(TraceError::Twice(0)));
        assert!(trace(&[u32::MAX]).check(usize::MAX).is_err());
    }

    #[test]
    fn the_longest_trace_keeps_to_its_limit() {
        let longest = trace(&(0..MAX_CHUNKS as u32).collect::<Vec<_>>());
        assert!(serde_json::to_vec(&longest).unwrap().len() <= MAX_TRACE);
    }

    proptest! {
        #[test]
        fn merging_keeps_every_chunk_once(traces in proptest::collection::vec(
            proptest::collection::btree_set(0u32..50, 0..50), 0..10))
        {
            let mut merged = Merged::new(trace(&[]).root);
            for chunks in &traces {
                merged.take(&trace(&chunks.iter().copied().collect::<Vec<_>>()));
            }
            prop_assert_eq!(merged.trace().check(50), Ok(()));
            let all: std::collections::BTreeSet<u32> = traces.iter().flatten().copied().collect();
            prop_assert_eq!(merged.trace().chunks.len(), all.len());
        }
    }
}
