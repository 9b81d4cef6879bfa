//! A clock that is surely wrong is set right, or TLS would refuse every certificate.
//!
//! The build's time is a lower limit that needs no network; the `Date` of the server's answers (RFC 9110,
//! 6.6.1) comes closer, and is believed only when it is later: it may come over an unprotected line. A time server
//! ([`ntp`]) can set it back, too, though never before the build; [`bootwright_plan::time`] says when one is asked.

pub mod ntp;

use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, Timespec, clock_settime};
use tracing::{info, warn};

/// Differences below are left to NTP.
const TOLERANCE: Duration = Duration::from_secs(60);

/// What the clock shows, seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Sets the clock to `time` since 1970, unless it shows that as good as exactly.
fn set(time: Duration, witness: &str) {
    let shown = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (off, way) = match shown.checked_sub(time) {
        Some(ahead) => (ahead, "ahead of"),
        None => (time - shown, "behind"),
    };
    if off < Duration::from_secs(1) {
        return;
    }
    let Ok(tv_sec) = i64::try_from(time.as_secs()) else { return };
    match clock_settime(ClockId::Realtime, Timespec { tv_sec, tv_nsec: time.subsec_nanos().into() }) {
        Ok(()) => info!("the clock was {} s {way} {witness}: set", off.as_secs()),
        Err(error) => warn!("the clock is {} s {way} {witness} and cannot be set: {error}", off.as_secs()),
    }
}

/// Sets the clock to `lower`, seconds since 1970, when it shows less.
pub fn not_before(lower: u64, witness: &str) {
    let lower = Duration::from_secs(lower);
    let shown = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    if !is_wrong(shown, lower) {
        return;
    }
    set(lower, witness);
}

fn is_wrong(shown: Duration, lower: Duration) -> bool {
    shown.saturating_add(TOLERANCE) < lower
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clock_that_is_clearly_behind_is_wrong() {
        let at = Duration::from_secs;
        assert!(is_wrong(at(0), at(1_700_000_000)));
        assert!(!is_wrong(at(1_700_000_000), at(1_700_000_030)));
        assert!(!is_wrong(at(1_800_000_000), at(1_700_000_000)));
    }
}
