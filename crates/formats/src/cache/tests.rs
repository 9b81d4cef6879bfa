use proptest::prelude::*;

use super::*;
use crate::Guid;

const MIB: u64 = 1 << 20;

fn generation(offset: u64, root: u64, name: u8) -> Generation {
    let state = State { complete: true, good: false, entered: true };
    Generation { offset, root, manifest: 5000, state, entered_at: 7, digest: [name; 32] }
}

fn sample() -> Header {
    let generations = vec![generation(9 * MIB, 3 * MIB, 1), generation(MIB, 4096, 2)];
    Header { sequence: 3, size: 64 * MIB, guid: Guid::seeded([9; 16]), generations }
}

#[test]
fn a_header_is_read_as_it_was_written() {
    let header = sample();
    assert_eq!(Header::parse(&header.encode(), 64 * MIB), Ok(header.clone()));
    // What is not ours, and a partition that has become smaller.
    assert_eq!(Header::parse(&[0; HEADER_SIZE], 64 * MIB), Err(HeaderError::Signature));
    let error = Header::parse(&header.encode(), 63 * MIB).unwrap_err();
    assert_eq!(error.to_string(), "the size of the partition at byte 24 is 67108864");
}

#[test]
fn root_and_manifest_lie_behind_each_other_and_do_not_meet_the_next() {
    let generation = generation(MIB, 4097, 1);
    assert_eq!(generation.root_range(), MIB..MIB + 4097);
    assert_eq!(generation.manifest_range(), MIB + 8192..MIB + 13_192);
    assert_eq!(generation.extent(), MIB..2 * MIB);
    assert_eq!(room_for(u64::MAX, 1), None);
}

#[test]
fn two_at_one_place_and_two_of_one_root_are_refused() {
    let mut header = sample();
    header.generations[1].offset = 10 * MIB;
    assert_eq!(Header::parse(&header.encode(), 64 * MIB), Err(HeaderError::Twice(0, 1)));
    header = sample();
    header.generations[1].digest = [1; 32];
    assert_eq!(Header::parse(&header.encode(), 64 * MIB), Err(HeaderError::Twice(0, 1)));
    header = sample();
    header.generations[0].offset = 60 * MIB + MIB;
    let error = Header::parse(&header.encode(), 64 * MIB).unwrap_err();
    assert_eq!(error.to_string(), format!("the size of a root at byte 72 is {}", 3 * MIB));
}

#[test]
fn gaps_are_what_nothing_lies_in() {
    assert_eq!(sample().gaps(), [2 * MIB..9 * MIB, 13 * MIB..64 * MIB]);
    let empty = Header { generations: Vec::new(), size: 64 * MIB + 5, ..sample() };
    assert_eq!((empty.gaps().first(), empty.gaps().len()), (Some(&(MIB..64 * MIB)), 1));
    assert_eq!(Header { size: MIB, ..empty }.gaps(), []);
}

#[test]
fn of_two_copies_the_newer_whole_one_counts_and_the_other_is_written_next() {
    let (old, new) = (sample(), Header { sequence: 4, ..sample() });
    let torn = || Err(HeaderError::Signature);
    assert_eq!(newest([Ok(old.clone()), Ok(new.clone())]), Ok((new.clone(), 0)));
    assert_eq!(newest([Ok(new.clone()), Ok(old.clone())]), Ok((new, 1)));
    assert_eq!(newest([torn(), Ok(old.clone())]), Ok((old.clone(), 0)));
    assert_eq!(newest([Ok(old.clone()), torn()]), Ok((old, 1)));
    assert!(newest([torn(), torn()]).is_err());
}

proptest! {
    /// Power may go at any byte of a write over an older copy: what is read then is one of the two, or refused.
    #[test]
    fn a_torn_write_is_never_read_as_something_else(cut in 0..HEADER_SIZE, sequence in 4_u64..9) {
        let (old, mut new) = (sample(), Header { sequence, ..sample() });
        new.generations.pop();
        let torn = [&new.encode()[..cut], &old.encode()[cut..]].concat();
        match Header::parse(&torn, 64 * MIB) {
            Ok(found) => prop_assert!(found == old || found == new),
            Err(error) => {
                let is_checksum = matches!(error, HeaderError::Checksum { .. });
                prop_assert!(is_checksum);
            }
        }
    }

    #[test]
    fn any_bytes_with_a_right_checksum_are_read_without_harm(
        mut bytes in proptest::collection::vec(any::<u8>(), HEADER_SIZE),
        count in 0_u32..20,
    ) {
        bytes[..8].copy_from_slice(b"BWCACHE\0");
        bytes[8..12].copy_from_slice(&1_u32.to_le_bytes());
        bytes[12..16].copy_from_slice(&count.to_le_bytes());
        bytes[24..32].copy_from_slice(&(64 * MIB).to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..HEADER_SIZE - 4]);
        bytes[HEADER_SIZE - 4..].copy_from_slice(&checksum.to_le_bytes());
        if let Ok(header) = Header::parse(&bytes, 64 * MIB) {
            prop_assert_eq!(Header::parse(&header.encode(), 64 * MIB), Ok(header.clone()));
            for gap in header.gaps() {
                prop_assert!(gap.start < gap.end && gap.end <= header.size);
            }
        }
    }
}
