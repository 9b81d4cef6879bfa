//! The answer to a request for an [`Entity`]: a pure function from request to header and byte range.

use std::fmt::Write as _;
use std::ops::Range;
use std::time::SystemTime;

use super::range::{Wanted, wanted};
use super::request::{Conditions, Method, Request};
use crate::images::Entity;

/// An answer, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Status line and header fields with the empty line at their end.
    pub head: String,
    /// What follows.
    pub content: Content,
}

/// What follows the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Nothing.
    Nothing,
    /// A line of text for whoever debugs.
    Text(String),
    /// These bytes of the entity.
    Part(Range<u64>),
}

/// Answers a request for `entity`.
pub fn reply(request: &Request, entity: &Entity, now: SystemTime) -> Reply {
    let mut reply = reply_to_get(request, entity, now);
    if request.method == Method::Head {
        reply.content = Content::Nothing;
    }
    reply
}

fn reply_to_get(request: &Request, entity: &Entity, now: SystemTime) -> Reply {
    let length = entity.length();
    match outcome(request, entity) {
        Outcome::NotAllowed => {
            let text = "this can be read with GET and HEAD only\n";
            refusal(405, text, "Allow: GET, HEAD\r\n", request.keep_alive, now)
        }
        Outcome::PreconditionFailed => {
            let text = "the file is no longer the one you began to fetch\n";
            refusal(412, text, &validators(entity), request.keep_alive, now)
        }
        Outcome::NotModified => {
            let head = head(304, &validators(entity), request.keep_alive, now);
            Reply { status: 304, head, content: Content::Nothing }
        }
        Outcome::Unsatisfiable => {
            let text = format!("the file ends at byte {length}\n");
            refusal(416, &text, &format!("Content-Range: bytes */{length}\r\n"), request.keep_alive, now)
        }
        Outcome::Part(range) => {
            let mut fields = described(entity, range.end - range.start);
            let _ = write!(fields, "Content-Range: bytes {}-{}/{length}\r\n", range.start, range.end - 1);
            let head = head(206, &fields, request.keep_alive, now);
            Reply { status: 206, head, content: Content::Part(range) }
        }
        Outcome::Whole => {
            let head = head(200, &described(entity, length), request.keep_alive, now);
            Reply { status: 200, head, content: Content::Part(0..length) }
        }
    }
}

/// An answer without an entity: `text` tells why, `fields` are further header fields.
pub fn refusal(status: u16, text: &str, fields: &str, keep_alive: bool, now: SystemTime) -> Reply {
    let length = text.len();
    let fields = format!("{fields}Content-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n");
    Reply { status, head: head(status, &fields, keep_alive, now), content: Content::Text(text.to_owned()) }
}

enum Outcome {
    NotAllowed,
    PreconditionFailed,
    NotModified,
    Unsatisfiable,
    Part(Range<u64>),
    Whole,
}

/// The order of RFC 9110 section 13.2.2.
fn outcome(request: &Request, entity: &Entity) -> Outcome {
    if request.method == Method::Other {
        return Outcome::NotAllowed;
    }
    match precondition(&request.conditions, entity) {
        Precondition::Failed => return Outcome::PreconditionFailed,
        Precondition::NotModified => return Outcome::NotModified,
        Precondition::Holds => {}
    }
    // Range is defined for GET alone (section 14.2).
    let range = request.range.as_deref().filter(|_| request.method == Method::Get);
    let range = range.filter(|_| if_range_holds(request.conditions.if_range.as_deref(), entity));
    match range.map_or(Wanted::Whole, |field| wanted(field, entity.length())) {
        Wanted::Whole => Outcome::Whole,
        Wanted::Part(range) => Outcome::Part(range),
        Wanted::Unsatisfiable => Outcome::Unsatisfiable,
    }
}

enum Precondition {
    Holds,
    Failed,
    NotModified,
}

fn precondition(conditions: &Conditions, entity: &Entity) -> Precondition {
    if let Some(list) = &conditions.if_match {
        if !strong_match(list, &entity.etag) {
            return Precondition::Failed;
        }
    } else if let Some(since) = date(conditions.if_unmodified_since.as_deref())
        && seconds(entity.modified) > seconds(since)
    {
        return Precondition::Failed;
    }
    if let Some(list) = &conditions.if_none_match {
        if weak_match(list, &entity.etag) {
            return Precondition::NotModified;
        }
    } else if let Some(since) = date(conditions.if_modified_since.as_deref())
        && seconds(entity.modified) <= seconds(since)
    {
        return Precondition::NotModified;
    }
    Precondition::Holds
}

/// RFC 9110 section 13.1.5: a strong entity tag that is equal, or the exact date.
fn if_range_holds(field: Option<&str>, entity: &Entity) -> bool {
    match field.map(str::trim) {
        None => true,
        Some(tag) if tag.starts_with('"') => tag == entity.etag,
        Some(text) => date(Some(text)).is_some_and(|date| seconds(date) == seconds(entity.modified)),
    }
}

fn strong_match(list: &str, etag: &str) -> bool {
    list.trim() == "*" || list.split(',').any(|tag| tag.trim() == etag)
}

fn weak_match(list: &str, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/") == etag;
    list.trim() == "*" || list.split(',').any(opaque)
}

fn date(text: Option<&str>) -> Option<SystemTime> {
    httpdate::parse_http_date(text?).ok()
}

/// HTTP dates have no fraction.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn described(entity: &Entity, length: u64) -> String {
    let fields = validators(entity);
    format!("Content-Type: {}\r\nContent-Length: {length}\r\n{fields}", entity.content_type)
}

fn validators(entity: &Entity) -> String {
    // A file from before 1970 or after 9999 has no HTTP date; httpdate would panic on it.
    let modified =
        SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds(entity.modified).min(LAST_DATE));
    let modified = httpdate::fmt_http_date(modified);
    format!("ETag: {}\r\nLast-Modified: {modified}\r\nAccept-Ranges: bytes\r\n", entity.etag)
}

/// The last second of the year 9999: an HTTP date has four digits for the year.
const LAST_DATE: u64 = 253_402_300_799;

fn head(status: u16, fields: &str, keep_alive: bool, now: SystemTime) -> String {
    let reason = http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason());
    let connection = if keep_alive { "keep-alive" } else { "close" };
    format!(
        "HTTP/1.1 {status} {}\r\nServer: bootwright\r\nDate: {}\r\n{fields}Connection: {connection}\r\n\r\n",
        reason.unwrap_or("Unknown"),
        httpdate::fmt_http_date(now),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::Body;
    use std::time::Duration;

    const MODIFIED: &str = "Sun, 09 Sep 2001 01:46:40 GMT";

    fn entity() -> Entity {
        Entity {
            etag: "\"sha256:00\"".into(),
            modified: SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000_000_500),
            content_type: "application/efi",
            body: Body::Memory(bytes::Bytes::from_static(b"0123456789")),
        }
    }

    fn ask(method: &str, fields: &str) -> Reply {
        let text = format!("{method} /x HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let (request, _) = Request::parse(text.as_bytes()).unwrap().unwrap();
        reply(&request, &entity(), SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn head_says_what_get_would_send() {
        let (head, get) = (ask("HEAD", ""), ask("GET", ""));
        assert_eq!(head.head, get.head);
        assert_eq!((head.content, get.content), (Content::Nothing, Content::Part(0..10)));
        assert!(get.head.contains("\r\nContent-Type: application/efi\r\nContent-Length: 10\r\n"));
        assert!(get.head.contains(&format!("\r\nLast-Modified: {MODIFIED}\r\n")));
    }

    #[test]
    fn a_range_is_sent_as_206_and_ignored_for_head() {
        let part = ask("GET", "Range: bytes=2-4\r\n");
        assert_eq!((part.status, part.content), (206, Content::Part(2..5)));
        assert!(part.head.contains("Content-Range: bytes 2-4/10\r\n"));
        assert!(part.head.contains("Content-Length: 3\r\n"));
        assert_eq!(ask("HEAD", "Range: bytes=2-4\r\n").status, 200);
        assert!(ask("GET", "Range: bytes=10-\r\n").head.contains("Content-Range: bytes */10\r\n"));
    }

    #[test]
    fn if_range_gives_the_part_only_of_the_same_file() {
        let status =
            |validator: &str| ask("GET", &format!("Range: bytes=0-0\r\nIf-Range: {validator}\r\n")).status;
        assert_eq!(status("\"sha256:00\""), 206);
        assert_eq!(status(MODIFIED), 206);
        assert_eq!(status("\"sha256:01\""), 200);
        assert_eq!(status("W/\"sha256:00\""), 200);
        assert_eq!(status("Sun, 09 Sep 2001 01:46:41 GMT"), 200);
    }

    #[test]
    fn conditions_are_checked_in_the_order_of_the_rfc() {
        let status = |fields: &str| ask("GET", fields).status;
        assert_eq!(status("If-None-Match: \"a\", W/\"sha256:00\"\r\n"), 304);
        assert_eq!(status("If-None-Match: *\r\n"), 304);
        assert_eq!(status("If-Match: \"a\"\r\nIf-None-Match: *\r\n"), 412);
        assert_eq!(status("If-Match: W/\"sha256:00\"\r\n"), 412);
        assert_eq!(status("If-Match: \"sha256:00\"\r\nRange: bytes=1-\r\n"), 206);
        assert_eq!(status(&format!("If-Modified-Since: {MODIFIED}\r\n")), 304);
        assert_eq!(status(&format!("If-Modified-Since: {MODIFIED}\r\nIf-None-Match: \"a\"\r\n")), 200);
        assert_eq!(status("If-Unmodified-Since: Sun, 09 Sep 2001 01:46:39 GMT\r\n"), 412);
        assert_eq!(status("If-Modified-Since: yesterday\r\n"), 200);
    }

    #[test]
    fn other_methods_are_told_what_is_allowed() {
        let reply = ask("DELETE", "");
        assert_eq!(reply.status, 405);
        assert!(reply.head.contains("Allow: GET, HEAD\r\n"));
    }
}
