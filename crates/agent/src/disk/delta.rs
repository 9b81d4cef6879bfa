//! A source of a new root that knows an older one: blocks that are in the cache are copied, the others fetched.
//!
//! The unit of comparing is a block of 4 KiB, as the dm-verity tree has it; the unit of the download stays the chunk.
//! A chunk that is put together here is compared with its digest like any other, and fetched whole from elsewhere when
//! it is wrong.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bootwright_fetch::schedule::Ranges;
use bootwright_fetch::{Body, BoxFuture, BoxStream, Failure, Source};
use bootwright_formats::verity::{BLOCK_SIZE, BlockDigest};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use super::base::Base;

/// Bytes of a block.
pub const BLOCK: u64 = BLOCK_SIZE as u64;

/// Bytes between two missing parts that are fetched along: a request costs more.
const BRIDGE: u64 = 16 * BLOCK;

/// Bytes that are put together at once: they are held in memory.
pub const SPAN: u64 = 4 << 20;

/// Before every mirror.
const PRIORITY: u8 = 1;

/// The new root, as far as it is known before it is there.
pub struct Plan {
    /// The digests of its data blocks.
    pub leaves: Vec<BlockDigest>,
    /// What lies behind the data blocks: it is there already.
    pub tree: Bytes,
    /// What the cache has.
    pub base: Base,
}

/// The source.
pub struct Delta {
    name: String,
    plan: Arc<Plan>,
    mirror: Arc<dyn Source>,
    fetched: Arc<AtomicU64>,
}

impl Delta {
    /// Takes from `mirror` what `plan` has not.
    pub fn new(plan: Plan, mirror: Arc<dyn Source>) -> Self {
        let name = format!("the cache and {}", mirror.name());
        Self { name, plan: Arc::new(plan), mirror, fetched: Arc::default() }
    }

    /// A count, which grows, of the bytes that the mirror has sent.
    pub fn fetched(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.fetched)
    }
}

/// A part of an answer.
enum Part {
    Here(Bytes),
    Missing(Range<u64>),
}

/// What is still to be sent of an answer.
struct Answer {
    parts: VecDeque<Part>,
    /// The mirror's answer to the part before.
    body: Option<BoxStream<'static, Result<Bytes, Failure>>>,
    mirror: Arc<dyn Source>,
    fetched: Arc<AtomicU64>,
}

impl Source for Delta {
    fn name(&self) -> &str {
        &self.name
    }

    fn priority(&self) -> u8 {
        PRIORITY
    }

    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Body, Failure>> {
        let (plan, mirror, fetched) =
            (Arc::clone(&self.plan), Arc::clone(&self.mirror), Arc::clone(&self.fetched));
        Box::pin(async move {
            let gathered = range.clone();
            let parts = tokio::task::spawn_blocking(move || plan.parts(gathered)).await;
            // Whatever happened, the mirror has it all.
            let parts = parts.unwrap_or_else(|_| VecDeque::from([Part::Missing(range)]));
            let answer = Answer { parts, body: None, mirror, fetched };
            let bytes = stream::unfold(answer, Answer::next);
            Ok(Body { ranges: Ranges::Honoured, address: None, bytes: Box::pin(bytes) })
        })
    }
}

impl Plan {
    /// Bytes of the data.
    fn data(&self) -> u64 {
        self.leaves.len() as u64 * BLOCK
    }

    /// What of `range`, which begins and ends with a block, is here, and what is not. Reads the cache.
    fn parts(&self, range: Range<u64>) -> VecDeque<Part> {
        let mut parts = VecDeque::new();
        let mut here = Vec::new();
        let mut at = range.start;
        let mut block = [0; BLOCK_SIZE];
        while at < range.end.min(self.data()) {
            let leaf = usize::try_from(at / BLOCK).ok().and_then(|number| self.leaves.get(number));
            if leaf.is_some_and(|leaf| self.base.copy(leaf, &mut block)) {
                here.extend(block);
            } else {
                missing(&mut parts, &mut here, at..at + BLOCK);
            }
            at += BLOCK;
        }
        let inside = |offset: u64| usize::try_from(offset.saturating_sub(self.data())).unwrap_or(usize::MAX);
        here.extend(self.tree.get(inside(at)..inside(range.end)).unwrap_or_default());
        if !here.is_empty() {
            parts.push_back(Part::Here(here.into()));
        }
        parts
    }
}

/// Adds a part that is missing behind what is `here`, and joins it with the one before when little lies between.
fn missing(parts: &mut VecDeque<Part>, here: &mut Vec<u8>, range: Range<u64>) {
    if let Some(Part::Missing(before)) = parts.back_mut()
        && range.start - before.end <= BRIDGE
    {
        before.end = range.end;
        here.clear();
        return;
    }
    if !here.is_empty() {
        parts.push_back(Part::Here(std::mem::take(here).into()));
    }
    parts.push_back(Part::Missing(range));
}

impl Answer {
    async fn next(mut self) -> Option<(Result<Bytes, Failure>, Self)> {
        loop {
            if let Some(body) = &mut self.body {
                match body.next().await {
                    Some(piece) => {
                        let length = piece.as_ref().map_or(0, |piece| piece.len() as u64);
                        self.fetched.fetch_add(length, Ordering::Relaxed);
                        return Some((piece, self));
                    }
                    None => self.body = None,
                }
            }
            match self.parts.pop_front()? {
                Part::Here(bytes) => return Some((Ok(bytes), self)),
                Part::Missing(range) => match self.mirror.read(range).await {
                    Ok(body) => self.body = Some(body.bytes),
                    Err(failure) => {
                        self.parts.clear();
                        return Some((Err(failure), self));
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests;
