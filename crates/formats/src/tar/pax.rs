//! Records of extended headers: `LENGTH KEY=VALUE\n`, LENGTH being that of the whole record.

use super::TarProblem;

/// Key and value.
type Record<'a> = (&'a [u8], &'a [u8]);

/// Takes the records of one extended header apart. Values are bytes: those of extended attributes
/// hold newlines.
pub(super) fn records(mut data: &[u8]) -> Result<Vec<Record<'_>>, TarProblem> {
    let mut records = Vec::new();
    while !data.is_empty() {
        let space = data.iter().take(8).position(|b| *b == b' ').ok_or(TarProblem::Pax("no length"))?;
        let digits = data.get(..space).and_then(|digits| std::str::from_utf8(digits).ok());
        let length: usize =
            digits.and_then(|digits| digits.parse().ok()).ok_or(TarProblem::Pax("no length"))?;
        let record = data.get(space + 1..length).ok_or(TarProblem::Pax("its length is wrong"))?;
        let record = record.strip_suffix(b"\n").ok_or(TarProblem::Pax("it does not end in a newline"))?;
        let equals = record.iter().position(|b| *b == b'=').ok_or(TarProblem::Pax("no ="))?;
        let (key, value) = record.split_at(equals);
        records.push((key, value.get(1..).unwrap_or_default()));
        data = data.get(length..).unwrap_or_default();
    }
    Ok(records)
}

/// Appends one record.
pub(super) fn push(data: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3; // space, equals sign, newline
    let mut length = rest + digits(rest);
    if length != rest + digits(length) {
        length = rest + digits(length);
    }
    data.extend_from_slice(length.to_string().as_bytes());
    data.push(b' ');
    data.extend_from_slice(key);
    data.push(b'=');
    data.extend_from_slice(value);
    data.push(b'\n');
}

fn digits(number: usize) -> usize {
    number.to_string().len()
}

/// Seconds since 1970 with an optional fraction, as `mtime` has it: whole seconds (rounded down) and
/// nanoseconds.
pub(super) fn time(text: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nine: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanoseconds: u32 = nine.parse().ok()?;
    if whole.starts_with('-') && nanoseconds > 0 {
        return Some((seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds));
    }
    Some((seconds, nanoseconds))
}

/// The text that [`time`] reads back.
pub(super) fn time_text(seconds: i64, nanoseconds: u32) -> String {
    match (seconds, nanoseconds) {
        (seconds, 0) => seconds.to_string(),
        (seconds, fraction) if seconds < 0 => {
            let (whole, rest) = (seconds + 1, 1_000_000_000 - fraction);
            format!("{}{}.{rest:09}", if whole == 0 { "-" } else { "" }, whole)
        }
        (seconds, fraction) => format!("{seconds}.{fraction:09}"),
    }
}
