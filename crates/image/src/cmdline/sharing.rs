//! What a machine gives to the others of its fleet: `bootwright.seed=` and `bootwright.upload=`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The longest time that can be asked for: a machine that stays up longer has long been updated.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// The lowest rate: a chunk of 256 KiB must leave within the time that peers wait for one.
const LOWEST: u64 = 64 << 10;

/// `seed=off|LIFETIME`: how long a machine gives its root to others once its system has taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seed {
    /// Not at all.
    Off,
    /// That long.
    For(Duration),
}

impl Default for Seed {
    /// An hour: who starts later in the same maintenance window still finds peers.
    fn default() -> Self {
        Self::For(Duration::from_secs(3600))
    }
}

impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(time(text)?.map_or(Self::Off, Self::For))
    }
}

/// A time, or `None` for `off`.
pub(super) fn time(text: &str) -> Result<Option<Duration>, String> {
    if ["off", "no", "0"].contains(&text) {
        return Ok(None);
    }
    let wrong = || format!("{text:?} is neither off nor a time: write 30m, 2h, 1d or a number of seconds");
    let (digits, unit) = match text.char_indices().next_back() {
        Some((at, 's')) => (text.get(..at), 1),
        Some((at, 'm')) => (text.get(..at), 60),
        Some((at, 'h')) => (text.get(..at), 3600),
        Some((at, 'd')) => (text.get(..at), 24 * 3600),
        _ => (Some(text), 1),
    };
    let number: u64 = digits.and_then(|digits| digits.parse().ok()).ok_or_else(wrong)?;
    let time = number.checked_mul(unit).map(Duration::from_secs).filter(|time| *time <= LONGEST);
    time.map(Some).ok_or_else(|| format!("{text:?} is more than a year"))
}

/// `upload=RATE`: bytes a second, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(pub u64);

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (digits, unit) = match text.char_indices().next_back() {
            Some((at, 'k' | 'K')) => (text.get(..at), 1 << 10),
            Some((at, 'm' | 'M')) => (text.get(..at), 1 << 20),
            Some((at, 'g' | 'G')) => (text.get(..at), 1 << 30),
            _ => (Some(text), 1u64),
        };
        let number = digits.and_then(|digits| digits.parse::<u64>().ok());
        let rate = number.and_then(|number| number.checked_mul(unit));
        match rate {
            None => Err(format!("{text:?} is no rate: write 512k, 20M or 1G, in bytes a second")),
            Some(rate) if rate < LOWEST => Err(format!("{text:?} is too little: at least 64k")),
            Some(rate) => Ok(Self(rate)),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} MiB/s", self.0 >> 20, ((self.0 >> 10) & 1023) * 10 / 1024)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_lifetime_has_a_unit_or_is_in_seconds() {
        let seconds = |text: &str| match text.parse() {
            Ok(Seed::For(time)) => Some(time.as_secs()),
            _ => None,
        };
        assert_eq!(["90", "90s", "30m", "2h", "1d"].map(seconds), [90, 90, 1800, 7200, 86_400].map(Some));
        assert_eq!("off".parse(), Ok(Seed::Off));
        for wrong in ["", "h", "2w", "-1h", "1.5h", "366d", "99999999999999999999", "999999999999999999d"] {
            assert!(wrong.parse::<Seed>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_rate_is_in_bytes_a_second() {
        assert_eq!("20M".parse(), Ok(Rate(20 << 20)));
        assert_eq!("65536".parse(), Ok(Rate(64 << 10)));
        assert_eq!(Rate((1 << 20) + (512 << 10)).to_string(), "1.5 MiB/s");
        for wrong in ["", "M", "fast", "1k", "99999999999999999G", "20MB"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(text in "\\PC{0,12}") {
            let _ = (text.parse::<Seed>(), text.parse::<Rate>());
        }
    }
}
