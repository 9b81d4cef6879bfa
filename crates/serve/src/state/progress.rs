//! How far machines say they are with their roots. It is what they say: bounded here, and believed nowhere.

use std::collections::BTreeMap;

use bootwright_image::timeline::Progress;

use super::clean;

/// Senders of damaged chunks that one machine may name.
const MAX_LIARS: usize = 20;

/// The most bytes that one report adds to a sum: no root is larger, and sums do not overflow by a lie.
const MAX_BYTES: u64 = 1 << 44;

/// The most damaged chunks that one report adds to a sum.
const MAX_REFUSED: u32 = 1 << 20;

/// What has come since a machine's report before this one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gained {
    /// Bytes from mirrors.
    pub mirrors: u64,
    /// Bytes from other machines.
    pub peers: u64,
    /// Damaged chunks, by who sent them.
    pub refused: BTreeMap<String, u32>,
}

/// Makes a report harmless: one line a name, and not too many of them.
pub(super) fn bounded(told: Progress) -> Progress {
    let refused = told.refused.iter().take(MAX_LIARS).map(|(name, count)| (clean(name), *count));
    Progress { stored: told.stored.min(told.total), refused: refused.collect(), ..told }
}

/// The difference; a machine that has less than before has begun anew.
pub(super) fn gained(before: Option<&Progress>, now: &Progress) -> Gained {
    let more = |of: fn(&Progress) -> u64| {
        let (old, new) = (before.map_or(0, of), of(now));
        new.checked_sub(old).unwrap_or(new).min(MAX_BYTES)
    };
    let refused = now.refused.iter().filter_map(|(name, count)| {
        let old = before.and_then(|before| before.refused.get(name)).copied().unwrap_or(0);
        let more = count.checked_sub(old).unwrap_or(*count).min(MAX_REFUSED);
        (more > 0).then(|| (name.clone(), more))
    });
    Gained { mirrors: more(|of| of.mirrors), peers: more(|of| of.peers), refused: refused.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(mirrors: u64, peers: u64, refused: u32) -> Progress {
        let refused = BTreeMap::from([("peer 10.0.0.7".to_owned(), refused)]);
        Progress { mirrors, peers, refused, ..Progress::default() }
    }

    #[test]
    fn sums_grow_by_what_came_since_and_start_again_with_a_machine() {
        let gained = |before: Option<Progress>, now| gained(before.as_ref(), &now);
        let first = gained(None, progress(5, 7, 1));
        assert_eq!((first.mirrors, first.peers, first.refused["peer 10.0.0.7"]), (5, 7, 1));
        let then = gained(Some(progress(5, 7, 1)), progress(6, 7, 1));
        assert_eq!(then, Gained { mirrors: 1, ..Gained::default() });
        let anew = gained(Some(progress(5, 7, 1)), progress(2, 9, 0));
        assert_eq!((anew.mirrors, anew.peers), (2, 2));
    }

    #[test]
    fn what_a_machine_claims_is_bounded() {
        let refused = (0..100).map(|number| (format!("liar\n{number:03}"), 1)).collect();
        let told = bounded(Progress { total: 1, stored: 9, refused, ..Progress::default() });
        assert_eq!((told.stored, told.refused.len()), (1, MAX_LIARS));
        assert!(told.refused.contains_key("liar 000"));
        assert_eq!(gained(None, &progress(u64::MAX, 0, u32::MAX)).mirrors, MAX_BYTES);
    }
}
