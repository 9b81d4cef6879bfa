//! A client of SNTP (RFC 5905 section 14, RFC 4330): a question out, an answer in.
//!
//! ```text
//! LI, VN, mode, 1 │ stratum, 1 │ poll, 1 │ precision, 1 │ root delay, 4 │ root dispersion, 4 │ reference id, 4
//! reference time, 8 │ originate, 8 │ receive, 8 │ transmit, 8          time: seconds, 4 │ fraction, 4, since 1900
//! ```
//!
//! One answer sets a clock that is wrong by days; it does not discipline one. Not supported: authentication (MAC,
//! NTS), so that an answer is worth what the way to its server is worth.

use std::time::Duration;

/// Where time servers listen.
pub const PORT: u16 = 123;

/// Bytes of a question, and of an answer without extensions.
pub const LENGTH: usize = 48;

/// No leap second is told, version 4, mode 3: client.
const CLIENT: u8 = 0o43;
/// Mode 4: server.
const SERVER: u8 = 4;
/// Leap indicator 3: the server's own clock is not set.
const UNSYNCHRONISED: u8 = 3;
/// The highest stratum of a clock that is set.
const MAX_STRATUM: u8 = 15;
/// From 1900 to 1970 in seconds.
const UNIX: u32 = 2_208_988_800;

/// Why an answer sets no clock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is no answer of a server.
    #[error("{0} bytes that are no answer of a time server")]
    NoAnswer(usize),
    /// It is the answer to another question, or a forged one.
    #[error("an answer to another question")]
    Unasked,
    /// Section 7.4: the server does not want to be asked.
    #[error("the server refuses: {0}")]
    Refused(String),
    /// The server does not know the time itself.
    #[error("the server's own clock is not set")]
    Unset,
    /// It says a time before the one that is surely over.
    #[error("the server says a time {0} s before the build of this image")]
    Behind(u64),
}

/// A question. `cookie` stands in the place of our time, which a server repeats and which is nobody's business.
pub fn question(cookie: u64) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    if let Some(first) = bytes.first_mut() {
        *first = CLIENT;
    }
    if let Some(transmit) = bytes.last_chunk_mut() {
        *transmit = cookie.to_be_bytes();
    }
    bytes
}

/// The time since 1970 in the answer to the question with `cookie`. `not_before`, seconds since 1970, is surely over;
/// the answer's 32 bits of seconds mean the moment that is nearest to it (section 6: eras of 136 years).
///
/// # Errors
/// [`Unusable`].
pub fn answer(bytes: &[u8], cookie: u64, not_before: u64) -> Result<Duration, Unusable> {
    let no_answer = || Unusable::NoAnswer(bytes.len());
    let packet = bytes.first_chunk::<LENGTH>().ok_or_else(no_answer)?;
    let [flags, stratum, ..] = *packet;
    if flags & 7 != SERVER {
        return Err(no_answer());
    }
    if field(packet, 24).map(u64::from_be_bytes) != Some(cookie) {
        return Err(Unusable::Unasked);
    }
    if stratum == 0 {
        let code: [u8; 4] = field(packet, 12).unwrap_or_default();
        return Err(Unusable::Refused(code.escape_ascii().to_string()));
    }
    let seconds = field(packet, 40).map(u32::from_be_bytes).unwrap_or_default();
    let fraction = field(packet, 44).map(u32::from_be_bytes).unwrap_or_default();
    if flags >> 6 == UNSYNCHRONISED || stratum > MAX_STRATUM || (seconds, fraction) == (0, 0) {
        return Err(Unusable::Unset);
    }
    // Both wrap around: `as` keeps the lower 32 bits, and the difference is the nearest one.
    let away = seconds.wrapping_sub(UNIX).wrapping_sub(not_before as u32).cast_signed();
    match not_before.checked_add_signed(away.into()) {
        Some(time) if away >= 0 => {
            Ok(Duration::new(time, ((u64::from(fraction) * 1_000_000_000) >> 32) as u32))
        }
        _ => Err(Unusable::Behind(away.unsigned_abs().into())),
    }
}

fn field<const N: usize>(packet: &[u8; LENGTH], at: usize) -> Option<[u8; N]> {
    packet.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COOKIE: u64 = 0x1122_3344_5566_7788;
    /// 2026-11-20.
    const BUILT: u64 = 1_795_132_800;

    /// A server's answer of stratum 8 with that time.
    fn packet(seconds: u32) -> [u8; LENGTH] {
        let mut bytes = question(0);
        bytes[0] = 0o44;
        bytes[1] = 8;
        bytes[24..32].copy_from_slice(&COOKIE.to_be_bytes());
        bytes[40..44].copy_from_slice(&seconds.to_be_bytes());
        bytes[44..48].copy_from_slice(&(1_u32 << 31).to_be_bytes());
        bytes
    }

    fn ntp(unix: u64) -> u32 {
        (unix + u64::from(UNIX)) as u32
    }

    #[test]
    fn a_question_is_one_of_version_4_with_the_cookie_where_the_server_repeats_it() {
        let asked = question(COOKIE);
        assert_eq!((asked[0], &asked[40..]), (0x23, &COOKIE.to_be_bytes()[..]));
        assert!(asked[1..40].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn the_time_is_read_in_this_era_and_in_the_next() {
        let half = Duration::from_millis(500);
        let soon = BUILT + 86_400;
        assert_eq!(answer(&packet(ntp(soon)), COOKIE, BUILT), Ok(Duration::from_secs(soon) + half));
        // 2040 is in the second era, which begins in February 2036.
        let later = 2_208_988_800;
        assert_eq!(answer(&packet(ntp(later)), COOKIE, BUILT), Ok(Duration::from_secs(later) + half));
    }

    #[test]
    fn what_sets_no_clock_is_said() {
        let good = packet(ntp(BUILT));
        let changed = |at: usize, value: u8| {
            let mut bytes = good;
            bytes[at] = value;
            answer(&bytes, COOKIE, BUILT)
        };
        assert_eq!(answer(&good[..47], COOKIE, BUILT), Err(Unusable::NoAnswer(47)));
        assert_eq!(answer(&question(COOKIE), COOKIE, BUILT), Err(Unusable::NoAnswer(48)));
        assert_eq!(answer(&good, COOKIE + 1, BUILT), Err(Unusable::Unasked));
        assert_eq!(changed(0, 0o344), Err(Unusable::Unset));
        assert_eq!(changed(1, 16), Err(Unusable::Unset));
        let mut refusal = good;
        refusal[1] = 0;
        refusal[12..16].copy_from_slice(b"RATE");
        assert_eq!(answer(&refusal, COOKIE, BUILT), Err(Unusable::Refused("RATE".into())));
        assert_eq!(answer(&packet(ntp(BUILT - 5)), COOKIE, BUILT), Err(Unusable::Behind(5)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_and_never_with_a_time_that_is_over(
            bytes in proptest::collection::vec(any::<u8>(), 0..80), cookie: u64, lower: u32,
        ) {
            if let Ok(time) = answer(&bytes, cookie, lower.into()) {
                prop_assert!(time.as_secs() >= lower.into());
            }
        }
    }
}
