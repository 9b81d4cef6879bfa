//! How often one machine is answered.

use std::collections::HashMap;
use std::time::Duration;

use crate::machine::Mac;

/// Packets that one machine may send at once: a boot by four programs in a row sends less.
pub const BURST: u32 = 32;
/// Packets that one machine may send a second after that. Who sends more is broken or hostile.
pub const PER_SECOND: u32 = 8;
/// Machines that are watched at a time: it bounds memory when every packet has another address.
pub const MAX_WATCHED: usize = 16_384;

/// Counts packets by machine (a leaky bucket for each).
#[derive(Debug, Default)]
pub(super) struct Limit {
    buckets: HashMap<Mac, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    level: u32,
    since: Duration,
}

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Answer,
    /// The first one too many: say so.
    Say,
    Drop,
}

impl Limit {
    pub(super) fn judge(&mut self, now: Duration, mac: Mac) -> Verdict {
        if self.buckets.len() >= MAX_WATCHED && !self.buckets.contains_key(&mac) {
            // Whoever was quiet for a second has an empty bucket, or nearly so. In a flood of new
            // addresses that is nobody: then all begin anew.
            self.buckets.retain(|_, bucket| now.saturating_sub(bucket.since) < Duration::from_secs(1));
            if self.buckets.len() >= MAX_WATCHED {
                self.buckets.clear();
            }
        }
        let bucket = self.buckets.entry(mac).or_insert(Bucket { level: 0, since: now });
        let gone = now.saturating_sub(bucket.since).as_millis().min(60_000) as u32;
        let drained = gone * PER_SECOND / 1000;
        if drained > 0 {
            bucket.level = bucket.level.saturating_sub(drained);
            bucket.since = now;
        }
        bucket.level = (bucket.level + 1).min(BURST + 2);
        match bucket.level {
            ..=BURST => Verdict::Answer,
            level if level == BURST + 1 => Verdict::Say,
            _ => Verdict::Drop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_machine_cannot_take_the_server_for_itself() {
        let mut limit = Limit::default();
        let now = Duration::from_secs(100);
        let verdicts: Vec<_> = (0..BURST + 5).map(|_| limit.judge(now, Mac([2; 6]))).collect();
        assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Answer).count() as u32, BURST);
        assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Say).count(), 1);
        assert_eq!(limit.judge(now, Mac([4; 6])), Verdict::Answer, "others are answered");
        assert_eq!(
            limit.judge(now + Duration::from_secs(1), Mac([2; 6])),
            Verdict::Answer,
            "later it is too"
        );
    }

    #[test]
    fn a_flood_of_addresses_takes_bounded_memory() {
        let mut limit = Limit::default();
        for index in 0..3 * MAX_WATCHED as u32 {
            let [a, b, c, d] = index.to_be_bytes();
            limit.judge(Duration::from_secs(1), Mac([2, 0, a, b, c, d]));
            assert!(limit.buckets.len() <= MAX_WATCHED);
        }
    }
}
