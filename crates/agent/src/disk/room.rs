//! Where a new root goes, and which one gives way to it.

use bootwright_formats::cache::{Generation, HEAD, Header, MAX_GENERATIONS, State, room_for};
use bootwright_image::Digest;

/// A place for a root.
#[derive(Debug, PartialEq, Eq)]
pub struct Placed {
    /// What lies in the cache from then on, the new one last.
    pub generations: Vec<Generation>,
    /// Whether nothing that was good is left beside it.
    pub alone: bool,
}

/// A root that does not fit even when everything else goes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the cache has room for {} MiB and the root takes {}: give it a partition of {} MiB or more, and of {} for two \
     generations", .room >> 20, .needed >> 20, (.needed + HEAD) >> 20, (.needed * 2 + HEAD) >> 20
)]
pub struct TooSmall {
    /// Bytes for generations.
    room: u64,
    /// Bytes that it takes.
    needed: u64,
}

/// A place for a root of `root` bytes with a manifest of `manifest` bytes, in front of what is to go first: what was
/// not written whole, then what never was good, then what was entered longest ago.
pub fn place(header: &Header, digest: &Digest, root: u64, manifest: u32) -> Result<Placed, TooSmall> {
    let mut header = header.clone();
    header.generations.retain(|generation| generation.digest != digest.0);
    // The last one is what is given up first.
    header
        .generations
        .sort_by_key(|one| (!one.state.complete, !one.state.good, std::cmp::Reverse(one.entered_at)));
    let had_good = header.generations.iter().any(is_good);
    let needed = room_for(root, manifest).unwrap_or(u64::MAX / 4);
    loop {
        let gap = header.gaps().into_iter().find(|gap| gap.end - gap.start >= needed);
        if let Some(gap) = gap.filter(|_| header.generations.len() < MAX_GENERATIONS) {
            let alone = had_good && !header.generations.iter().any(is_good);
            let (offset, state) = (gap.start, State::default());
            let new = Generation { offset, root, manifest, state, entered_at: 0, digest: digest.0 };
            header.generations.push(new);
            return Ok(Placed { generations: header.generations, alone });
        }
        if header.generations.pop().is_none() {
            return Err(TooSmall { room: header.size.saturating_sub(HEAD), needed });
        }
    }
}

fn is_good(generation: &Generation) -> bool {
    generation.state.complete && generation.state.good
}

#[cfg(test)]
mod tests {
    use super::*;
    use bootwright_formats::Guid;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    fn header(mib: u64) -> Header {
        Header { sequence: 9, size: mib * MIB, guid: Guid::NIL, generations: Vec::new() }
    }

    fn digest(name: u8) -> Digest {
        Digest([name; 32])
    }

    /// Places a root of so many MiB with its manifest.
    fn add(header: &mut Header, name: u8, mib: u64, state: State) -> bool {
        let placed = place(header, &digest(name), mib * MIB - 8192, 5000).unwrap();
        header.generations = placed.generations;
        let new = header.generations.last_mut().unwrap();
        (new.state, new.entered_at) = (state, u64::from(name));
        placed.alone
    }

    const GOOD: State = State { complete: true, good: true, entered: false };
    const FAILED: State = State { complete: true, good: false, entered: true };

    fn names(header: &Header) -> Vec<u8> {
        let mut names: Vec<u8> = header.generations.iter().map(|one| one.digest[0]).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn two_generations_are_kept_and_the_good_one_is_the_last_to_go() {
        let mut header = header(21);
        assert!(!add(&mut header, 1, 10, GOOD));
        assert!(!add(&mut header, 2, 10, FAILED));
        assert!(!add(&mut header, 3, 10, FAILED));
        assert_eq!(names(&header), [1, 3]);
        assert!(!add(&mut header, 4, 10, State::default()));
        assert_eq!(names(&header), [1, 4]);
        // Two good ones: the newer stays.
        header.generations.iter_mut().for_each(|one| one.state = GOOD);
        assert!(!add(&mut header, 5, 10, State::default()));
        assert_eq!(names(&header), [4, 5]);
        // One that needs all the room leaves nothing.
        assert!(add(&mut header, 6, 20, State::default()));
        assert_eq!(names(&header), [6]);
    }

    #[test]
    fn what_does_not_fit_says_how_large_the_partition_has_to_be() {
        let error = place(&header(10), &digest(1), 20 * MIB, 5000).unwrap_err();
        let text = "the cache has room for 9 MiB and the root takes 21: give it a partition of 22 MiB or more, and of \
                    43 for two generations";
        assert_eq!(error.to_string(), text);
        assert!(place(&header(10), &digest(1), u64::MAX, 5000).is_err());
    }

    proptest! {
        #[test]
        fn whatever_comes_one_after_the_other_lies_apart_and_inside(
            sizes in proptest::collection::vec((1_u64..12, any::<bool>()), 1..40),
        ) {
            let mut header = header(32);
            for (name, (mib, good)) in (0..).zip(sizes) {
                add(&mut header, name, mib, if good { GOOD } else { FAILED });
                let bytes = header.encode();
                prop_assert_eq!(Header::parse(&bytes, 32 * MIB), Ok(header.clone()));
            }
        }
    }
}
