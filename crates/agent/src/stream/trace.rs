//! What was read, in which order, and how long it was waited for.

use std::ops::Range;
use std::time::Duration;

/// A wait that a person notices.
const STALL: Duration = Duration::from_millis(100);

/// The reads of one boot. It holds a few bytes for each chunk of the root.
#[derive(Debug)]
pub struct Trace {
    /// Bytes of a chunk.
    chunk: u64,
    seen: Vec<bool>,
    order: Vec<u32>,
    waits: Waits,
}

/// How readers fared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waits {
    /// Reads.
    pub reads: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of the chunks that were not there when they were first read.
    pub awaited: u64,
    /// Of the reads, what had to be waited for.
    pub waited: u64,
    /// Of those, what took longer than 100 ms.
    pub stalls: u64,
    /// The sum of all waits.
    pub total: Duration,
    /// The longest of them.
    pub longest: Duration,
}

impl Trace {
    /// Of a root of so many chunks, of `chunk` bytes each.
    pub fn new(chunks: u32, chunk: u64) -> Self {
        Self { chunk, seen: vec![false; chunks as usize], order: Vec::new(), waits: Waits::default() }
    }

    /// So many `bytes` of `chunks` are about to be read.
    pub fn read(&mut self, chunks: Range<u32>, bytes: u64, is_there: impl Fn(u32) -> bool) {
        self.waits.reads += 1;
        self.waits.bytes += bytes;
        for chunk in chunks {
            if let Some(seen) = self.seen.get_mut(chunk as usize)
                && !std::mem::replace(seen, true)
            {
                self.order.push(chunk);
                self.waits.awaited += if is_there(chunk) { 0 } else { self.chunk };
            }
        }
    }

    /// A read had to wait for so long.
    pub fn waited(&mut self, time: Duration) {
        self.waits.waited += 1;
        self.waits.stalls += u64::from(time > STALL);
        self.waits.total += time;
        self.waits.longest = self.waits.longest.max(time);
    }

    /// The chunks in the order in which they were first read.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// How readers fared until now.
    pub fn waits(&self) -> Waits {
        self.waits
    }
}

impl std::fmt::Display for Waits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { reads, bytes, awaited, waited, stalls, total, longest } = self;
        let (total, longest) = (total.as_secs_f32(), longest.as_secs_f32());
        let (read, came) = (bytes.div_ceil(1 << 20), awaited.div_ceil(1 << 20));
        write!(
            f,
            "{reads} reads, {waited} waited for {total:.1} s in all, {stalls} of them longer than 0.1 s, the longest {longest:.1} s; {came} MiB came for {read} MiB that were read"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_chunk_is_in_the_trace_once_and_none_that_is_not_there() {
        let mut trace = Trace::new(4, 1 << 20);
        for chunks in [2..4, 0..3, 3..9, 7..8] {
            trace.read(chunks, 5000, |chunk| chunk == 2);
        }
        assert_eq!(trace.order(), [2, 3, 0, 1]);
        trace.waited(Duration::from_millis(20));
        trace.waited(Duration::from_secs(2));
        let waits = trace.waits();
        assert_eq!((waits.reads, waits.waited, waits.stalls), (4, 2, 1));
        assert_eq!((waits.bytes, waits.awaited), (20_000, 3 << 20));
        assert_eq!(waits.longest, Duration::from_secs(2));
    }
}
