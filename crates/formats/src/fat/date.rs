//! Dates: two 16-bit fields, from 1980 on, in steps of two seconds.

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

/// Year, month and day of a number of days since 1970 (the Gregorian calendar, in its 400-year periods that
/// begin with March).
pub(crate) fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(951_782_400 / 86400), (2000, 2, 29));
        assert_eq!(civil(1_790_000_000 / 86400), (2026, 9, 21));
        assert_eq!(Stamp::of(0), Stamp { date: 1 << 5 | 1, time: 0 });
        assert_eq!(
            Stamp::of(u64::MAX),
            Stamp { date: 127 << 9 | 12 << 5 | 31, time: 23 << 11 | 59 << 5 | 29 }
        );
    }
}
