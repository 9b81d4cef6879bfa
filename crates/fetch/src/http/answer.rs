//! What the head of an answer to a range request means (RFC 9110 sections 13 to 15): pure, no I/O.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::http::response::Parts;

use crate::error::Cause;
use crate::schedule::Ranges;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expect {
    /// The bytes wanted; `u64::MAX` as the end stands for the end of the file.
    pub(crate) range: Range<u64>,
    /// Bytes of the whole file, when known.
    pub(crate) size: Option<u64>,
    /// The strong ETag of the first answer.
    pub(crate) etag: Option<String>,
}

/// How to read the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) ranges: Ranges,
    /// Bytes of the body before the range.
    pub(crate) skip: u64,
    /// Bytes of the range; `None`: up to the end of the body.
    pub(crate) take: Option<u64>,
    /// Bytes of the whole file, when the server says.
    pub(crate) size: Option<u64>,
    /// The strong ETag, when there is one.
    pub(crate) etag: Option<String>,
}

/// Compares the head of an answer with what was asked for.
pub(crate) fn interpret(expect: &Expect, head: &Parts) -> Result<Plan, Cause> {
    match head.status {
        StatusCode::OK => whole(expect, &head.headers),
        StatusCode::PARTIAL_CONTENT => part(expect, &head.headers),
        StatusCode::RANGE_NOT_SATISFIABLE => Err(unsatisfiable(expect, &head.headers)),
        status => Err(refused(status, &head.headers)),
    }
}

/// An error status with what the server says about coming back.
pub(crate) fn refused(status: StatusCode, headers: &HeaderMap) -> Cause {
    Cause::Status { status: status.as_u16(), retry_after: retry_after(headers) }
}

/// The ETag, if it is a strong one (RFC 9110 section 8.8.1).
pub(crate) fn strong_etag(headers: &HeaderMap) -> Option<String> {
    let etag = text(headers, &header::ETAG)?;
    (etag.len() >= 2 && etag.starts_with('"') && etag.ends_with('"')).then(|| etag.to_owned())
}

fn whole(expect: &Expect, headers: &HeaderMap) -> Result<Plan, Cause> {
    plain_encoding(headers)?;
    let etag = unchanged(expect, headers)?;
    let size = content_length(headers);
    let end = same_size(expect, size)?;
    let take = match end {
        Some(size) if size < expect.range.start => {
            return Err(Cause::Size { wanted: expect.range.start, found: size });
        }
        Some(size) => Some(expect.range.end.min(size) - expect.range.start),
        None if expect.range.end == u64::MAX => None,
        None => Some(expect.range.end - expect.range.start),
    };
    // From the first byte to the last, a whole answer is what was asked for.
    let all = expect.range.start == 0 && take.is_none_or(|take| Some(take) == end);
    let ranges = if all && headers.get(header::ACCEPT_RANGES).is_some_and(|v| v == "bytes") {
        Ranges::Honoured
    } else {
        Ranges::Ignored
    };
    Ok(Plan { ranges, skip: expect.range.start, take, size, etag })
}

fn part(expect: &Expect, headers: &HeaderMap) -> Result<Plan, Cause> {
    plain_encoding(headers)?;
    let etag = unchanged(expect, headers)?;
    let stated = text(headers, &header::CONTENT_RANGE);
    let wrong = |why: &str| {
        let stated = stated.unwrap_or("absent");
        let asked = asked(&expect.range);
        Cause::Answer(format!("Content-Range is {stated:?} {why}, asked was {asked}"))
    };
    let (range, size) = stated.and_then(content_range).ok_or_else(|| wrong("(not understood)"))?;
    let end = same_size(expect, size)?;
    if range.start != expect.range.start {
        return Err(wrong("(another first byte)"));
    }
    let last = if expect.range.end == u64::MAX { end } else { Some(expect.range.end) };
    if last.is_some_and(|last| last != range.end) {
        return Err(wrong("(another last byte)"));
    }
    let length = range.end - range.start;
    if content_length(headers).is_some_and(|stated| stated != length) {
        return Err(wrong("and Content-Length is another length"));
    }
    Ok(Plan { ranges: Ranges::Honoured, skip: 0, take: Some(length), size, etag })
}

fn unsatisfiable(expect: &Expect, headers: &HeaderMap) -> Cause {
    // `bytes */1234`
    let size = text(headers, &header::CONTENT_RANGE)
        .and_then(|text| text.strip_prefix("bytes */"))
        .and_then(|size| size.parse().ok());
    match size {
        Some(found) => Cause::Size { wanted: expect.size.unwrap_or(expect.range.start), found },
        None => refused(StatusCode::RANGE_NOT_SATISFIABLE, headers),
    }
}

/// `bytes 0-499/1234` or `bytes 0-499/*` (RFC 9110 section 14.4).
fn content_range(text: &str) -> Option<(Range<u64>, Option<u64>)> {
    let (range, size) = text.strip_prefix("bytes ")?.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let end = last.checked_add(1)?;
    let size = match size {
        "*" => None,
        size => Some(size.parse().ok()?),
    };
    (first < end && size.is_none_or(|size| end <= size)).then_some((first..end, size))
}

/// The size that holds: the expected one and the stated one must agree.
fn same_size(expect: &Expect, stated: Option<u64>) -> Result<Option<u64>, Cause> {
    match (expect.size, stated) {
        (Some(wanted), Some(found)) if wanted != found => Err(Cause::Size { wanted, found }),
        (wanted, found) => Ok(wanted.or(found)),
    }
}

/// The ETag of this answer; an error when it is not the one of the first.
fn unchanged(expect: &Expect, headers: &HeaderMap) -> Result<Option<String>, Cause> {
    let etag = strong_etag(headers);
    match &expect.etag {
        Some(before) if etag.as_ref() != Some(before) => {
            Err(Cause::Changed { before: before.clone(), now: etag.unwrap_or_else(|| "gone".to_owned()) })
        }
        _ => Ok(etag),
    }
}

/// Bytes of a compressed answer are not the bytes of the file.
fn plain_encoding(headers: &HeaderMap) -> Result<(), Cause> {
    match text(headers, &header::CONTENT_ENCODING) {
        None | Some("identity" | "") => Ok(()),
        Some(other) => {
            Err(Cause::Answer(format!("Content-Encoding is {other:?}, though only identity was accepted")))
        }
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    text(headers, &header::CONTENT_LENGTH)?.parse().ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// The value of `Range` for `range`.
pub(crate) fn asked(range: &Range<u64>) -> String {
    match range.end {
        u64::MAX => format!("bytes={}-", range.start),
        end => format!("bytes={}-{}", range.start, end.saturating_sub(1)),
    }
}

/// `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date, which is compared with the server's own
/// `Date`, since this machine's clock may be wrong.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let stated = text(headers, &header::RETRY_AFTER)?;
    if let Ok(seconds) = stated.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(stated).ok()?;
    let now = text(headers, &header::DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    until.duration_since(now.unwrap_or_else(SystemTime::now)).ok()
}

#[cfg(test)]
mod tests;
