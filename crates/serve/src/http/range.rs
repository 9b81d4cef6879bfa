//! `Range: bytes=…` (RFC 9110 section 14).

use std::ops::Range;

/// What a `Range` field means for a representation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: no range, one that is no `bytes` range, or several of them. A server may ignore
    /// several ranges, and multipart answers have only ever been of use to those who attack servers.
    Whole,
    /// These bytes, never empty, within the representation.
    Part(Range<u64>),
    /// None of the bytes asked for exist: status 416.
    Unsatisfiable,
}

/// Reads the field's value for a representation of `length` bytes.
pub fn wanted(field: &str, length: u64) -> Wanted {
    let Some((unit, set)) = field.split_once('=') else { return Wanted::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
        return Wanted::Whole;
    }
    let Some((first, last)) = set.trim().split_once('-') else { return Wanted::Whole };
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Some(first), None) if last.is_empty() => first..length,
        (None, Some(suffix)) if first.is_empty() => length.saturating_sub(suffix)..length,
        _ => return Wanted::Whole,
    };
    if range.is_empty() { Wanted::Unsatisfiable } else { Wanted::Part(range) }
}

/// Digits only, as the grammar wants them: `parse` would take a sign. A number beyond 64 bits is
/// beyond every file.
fn number(digits: &str) -> Option<u64> {
    let lawful = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    lawful.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_three_forms_of_a_range() {
        assert_eq!(wanted("bytes=0-0", 10), Wanted::Part(0..1));
        assert_eq!(wanted("bytes=2-", 10), Wanted::Part(2..10));
        assert_eq!(wanted("bytes=-3", 10), Wanted::Part(7..10));
        assert_eq!(wanted("Bytes=4-99", 10), Wanted::Part(4..10));
        assert_eq!(wanted("bytes=-99", 10), Wanted::Part(0..10));
    }

    #[test]
    fn absurd_ranges_are_unsatisfiable_or_ignored() {
        let huge = "bytes=99999999999999999999999-";
        for field in ["bytes=10-", "bytes=10-11", "bytes=-0", huge] {
            assert_eq!(wanted(field, 10), Wanted::Unsatisfiable, "{field}");
        }
        for field in ["", "bytes", "bytes=", "bytes=-", "bytes=5-4", "bytes=+1-2", "bytes=a-b", "lines=0-1"] {
            assert_eq!(wanted(field, 10), Wanted::Whole, "{field}");
        }
        assert_eq!(wanted("bytes=0-1,3-4", 10), Wanted::Whole);
        assert_eq!(wanted("bytes=0-", 0), Wanted::Unsatisfiable);
        assert_eq!(wanted("bytes=0-18446744073709551615", 10), Wanted::Part(0..10));
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_and_never_leaves_the_file(field in "bytes=[0-9,-]{0,24}", length: u64) {
            if let Wanted::Part(range) = wanted(&field, length) {
                prop_assert!(range.start < range.end && range.end <= length);
            }
        }
    }
}
