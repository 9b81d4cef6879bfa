//! What of an image has to be fetched when some of its files changed: blocks that the one before has nowhere.

use std::collections::HashSet;

use bootwright_formats::erofs::Algorithm;

use crate::sample::{self, Entry, What};
use crate::with;

/// What becomes of the files that change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Before,
    /// One line more in the middle.
    After,
}

/// 400 small files and 200 large ones, as in a root; 65 of them, with 2 % of the bytes, change.
fn tree(version: Version) -> Vec<Entry> {
    let mut tree = vec![Entry::new("", 0o755, What::Directory)];
    tree.extend((0..20).map(|number| Entry::new(&format!("d{number}"), 0o755, What::Directory)));
    for number in 0..600 {
        let large = number % 3 == 0;
        let length = if large { 20_000 + number * 400 } else { 300 + number * 5 };
        let changes = if large { number % 120 == 0 } else { number % 20 < 3 };
        let mut bytes = sample::bytes(length, 120, number as u64 + 1);
        if changes && version == Version::After {
            bytes.splice(length / 2..length / 2, *b"one line more than before\n");
        }
        tree.push(Entry::new(&format!("d{}/{number}", number / 30), 0o644, What::File(bytes)));
    }
    tree
}

#[test]
fn few_blocks_are_new_when_a_few_files_change() {
    let differ = |(before, after): (Entry, Entry)| match (before.what, after.what) {
        (What::File(before), What::File(after)) if before != after => Some(after.len()),
        _ => None,
    };
    let pairs = tree(Version::Before).into_iter().zip(tree(Version::After));
    let changes: Vec<usize> = pairs.filter_map(differ).collect();
    assert_eq!(changes.len(), 65);
    let (changed, all) = (changes.iter().sum::<usize>(), sample::size(&tree(Version::Before)));
    assert!((all / 60..all / 40).contains(&changed), "{changed} of {all} bytes");

    let image = |version| sample::image(&tree(version), with(Algorithm::Lz4, 9), 2).0;
    let (before, after) = (image(Version::Before), image(Version::After));
    let known: HashSet<_> = before.chunks(4096).collect();
    let blocks = after.len() / 4096;
    let new = after.chunks(4096).filter(|block| !known.contains(block)).count();
    // With all inodes in one row it is 6 %.
    assert!(new * 100 < blocks * 5, "{new} of {blocks} blocks are new");
}
