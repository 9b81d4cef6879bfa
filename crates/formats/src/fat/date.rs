//! Dates: two 16-bit fields, from 1980 on, in steps of two seconds.

use crate::date::civil;

/// Date and time as directory entries hold them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub date: u16,
    pub time: u16,
}

impl Stamp {
    /// Of a number of seconds since 1970, taken as UTC. What FAT cannot tell becomes its first or last day.
    pub fn of(epoch: u64) -> Self {
        const FIRST: u64 = 315_532_800; // 1980-01-01
        const LAST: u64 = 4_354_819_198; // 2107-12-31 23:59:58
        let epoch = epoch.clamp(FIRST, LAST);
        let (year, month, day) = civil(epoch / 86400);
        let second = epoch % 86400;
        let date = ((year - 1980) << 9) | (month << 5) | day;
        let time = (second / 3600) << 11 | (second % 3600 / 60) << 5 | (second % 60 / 2);
        Self { date: date as u16, time: time as u16 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fat_cannot_tell_becomes_its_first_or_last_day() {
        assert_eq!(Stamp::of(0), Stamp { date: 1 << 5 | 1, time: 0 });
        assert_eq!(
            Stamp::of(u64::MAX),
            Stamp { date: 127 << 9 | 12 << 5 | 31, time: 23 << 11 | 59 << 5 | 29 }
        );
    }
}
