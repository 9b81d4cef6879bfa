//! Which of the roots in a cache is booted.

use bootwright_formats::cache::{Generation, Header};
use bootwright_image::Digest;

/// Whether the system of that root did not come up when it was booted last: it has never said that it is well. What
/// has been good once is believed, whatever happened since.
pub fn has_failed(generation: &Generation) -> bool {
    generation.state.complete && generation.state.entered && !generation.state.good
}

/// The root that boots in place of one that has failed: of those that may, the one that was good and was entered last.
pub fn former(header: &Header, may_boot: &[Digest]) -> Option<Digest> {
    let good = header.generations.iter().filter(|one| one.state.complete && one.state.good);
    let digests = good.filter(|one| may_boot.contains(&Digest(one.digest)));
    digests.max_by_key(|one| one.entered_at).map(|one| Digest(one.digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bootwright_formats::Guid;
    use bootwright_formats::cache::State;

    fn generation(name: u8, complete: bool, good: bool, entered: bool) -> Generation {
        let state = State { complete, good, entered };
        let offset = u64::from(name) << 20;
        Generation { offset, root: 1, manifest: 1, state, entered_at: name.into(), digest: [name; 32] }
    }

    #[test]
    fn only_what_was_entered_and_never_was_good_has_failed() {
        assert!(has_failed(&generation(1, true, false, true)));
        assert!(!has_failed(&generation(1, true, true, true)), "power went after a good boot");
        assert!(!has_failed(&generation(1, true, false, false)), "never tried");
        assert!(!has_failed(&generation(1, false, false, true)), "not whole");
    }

    #[test]
    fn the_former_one_is_the_newest_good_one_that_may_boot() {
        let generations = vec![
            generation(1, true, true, false),
            generation(2, true, true, false),
            generation(3, true, true, false),
            generation(4, true, false, true),
        ];
        let header = Header { sequence: 9, size: 1 << 30, guid: Guid::NIL, generations };
        let digest = |name: u8| Digest([name; 32]);
        assert_eq!(former(&header, &[digest(1), digest(2), digest(4)]), Some(digest(2)));
        assert_eq!(former(&header, &[digest(4), digest(7)]), None);
        assert_eq!(former(&header, &[]), None);
    }
}
