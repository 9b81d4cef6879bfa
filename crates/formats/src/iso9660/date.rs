//! The two forms of a date, both in UTC here.

use crate::date::civil;

/// The last second of 2155: the year is one byte from 1900 on.
const LAST: u64 = 5_869_583_999;

fn parts(epoch: u64) -> [u64; 6] {
    let epoch = epoch.min(LAST);
    let (year, month, day) = civil(epoch / 86400);
    let second = epoch % 86400;
    [year, month, day, second / 3600, second % 3600 / 60, second % 60]
}

/// Seven bytes, in directory entries (ECMA-119, 9.1.5).
pub(super) fn short(epoch: u64) -> [u8; 7] {
    let [year, month, day, hour, minute, second] = parts(epoch);
    [(year - 1900) as u8, month as u8, day as u8, hour as u8, minute as u8, second as u8, 0]
}

/// Seventeen bytes, in volume descriptors (ECMA-119, 8.4.26.1): digits and hundredths.
pub(super) fn long(epoch: u64) -> Vec<u8> {
    let [year, month, day, hour, minute, second] = parts(epoch);
    let mut text = format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}00").into_bytes();
    text.push(0);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_told_in_both_forms() {
        assert_eq!(short(1_790_000_000), [126, 9, 21, 14, 13, 20, 0]);
        assert_eq!(long(1_790_000_000), b"2026092114132000\0");
        assert_eq!(short(u64::MAX)[..3], [255, 12, 31]);
    }
}
