//! The head of a request (RFC 9112), parsed once and kept as what the answer depends on.

use std::borrow::Cow;

/// The largest request head in bytes: firmware sends about 200, browsers a few thousand.
pub const MAX_HEAD: usize = 16 << 10;

/// The most header fields in one request: bounds the work of parsing.
const MAX_FIELDS: usize = 64;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The representation.
    Get,
    /// Its header only.
    Head,
    /// Anything else.
    Other,
}

/// A request for something, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path, percent-decoded, without query.
    pub path: String,
    /// Whether the client keeps the connection for another request, and may: one with a body, which
    /// nobody here reads, cannot be followed by another.
    pub keep_alive: bool,
    /// `Range`, as sent; absent when it was sent twice.
    pub range: Option<String>,
    /// The fields that make the request conditional.
    pub conditions: Conditions,
}

/// The precondition fields of RFC 9110 section 13.1, as sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// `If-Match`.
    pub if_match: Option<String>,
    /// `If-None-Match`.
    pub if_none_match: Option<String>,
    /// `If-Modified-Since`.
    pub if_modified_since: Option<String>,
    /// `If-Unmodified-Since`.
    pub if_unmodified_since: Option<String>,
    /// `If-Range`.
    pub if_range: Option<String>,
}

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not HTTP.
    #[error("the request is not HTTP/1.1: {0}")]
    Malformed(httparse::Error),
    /// RFC 9112 section 3.2: exactly one Host in a request of HTTP/1.1.
    #[error("HTTP/1.1 wants exactly one Host field")]
    Host,
    /// The target is neither `/path` nor `http://host/path`, or its percent-encoding is broken.
    #[error("the request target is not a path")]
    Target,
    /// Two different lengths, or a length beside a transfer coding: how smuggling begins.
    #[error("the length of the request's body is ambiguous")]
    Framing,
}

impl Request {
    /// Takes the head from the front of `bytes`: the request and the head's length, or `None` while
    /// the head is unfinished.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, RequestError> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut head = httparse::Request::new(&mut fields);
        let length = match head.parse(bytes).map_err(RequestError::Malformed)? {
            httparse::Status::Partial => return Ok(None),
            httparse::Status::Complete(length) => length,
        };
        let method = match head.method {
            Some("GET") => Method::Get,
            Some("HEAD") => Method::Head,
            _ => Method::Other,
        };
        let version = head.version.unwrap_or(0);
        let fields = Fields(head.headers);
        if version == 1 && fields.all("host").count() != 1 {
            return Err(RequestError::Host);
        }
        let request = Self {
            method,
            path: path(head.path.unwrap_or_default()).ok_or(RequestError::Target)?,
            keep_alive: !has_body(&fields)? && keep_alive(version, &fields),
            range: fields.only("range"),
            conditions: Conditions {
                if_match: fields.list("if-match"),
                if_none_match: fields.list("if-none-match"),
                if_modified_since: fields.only("if-modified-since"),
                if_unmodified_since: fields.only("if-unmodified-since"),
                if_range: fields.only("if-range"),
            },
        };
        Ok(Some((request, length)))
    }
}

/// Header fields with lookups that ignore case.
struct Fields<'a>(&'a [httparse::Header<'a>]);

impl<'a> Fields<'a> {
    fn all(&self, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
        self.0
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| String::from_utf8_lossy(field.value))
    }

    /// The value of a field that may stand there once.
    fn only(&self, name: &'a str) -> Option<String> {
        let mut all = self.all(name);
        let first = all.next()?;
        all.next().is_none().then(|| first.into_owned())
    }

    /// The members of a list that may be spread over several fields, joined.
    fn list(&self, name: &'a str) -> Option<String> {
        let all: Vec<_> = self.all(name).collect();
        (!all.is_empty()).then(|| all.join(","))
    }
}

/// RFC 9112 section 9.3.
fn keep_alive(version: u8, fields: &Fields<'_>) -> bool {
    let says = |word: &str| {
        let mut options = fields.all("connection");
        options.any(|list| list.split(',').any(|option| option.trim().eq_ignore_ascii_case(word)))
    };
    !says("close") && (version == 1 || says("keep-alive"))
}

/// RFC 9112 section 6.3.
fn has_body(fields: &Fields<'_>) -> Result<bool, RequestError> {
    let coded = fields.all("transfer-encoding").next().is_some();
    let lengths: Vec<_> = fields.all("content-length").collect();
    match lengths.as_slice() {
        [] => Ok(coded),
        [length] if !coded && length.bytes().all(|b| b.is_ascii_digit()) && !length.is_empty() => {
            Ok(length.bytes().any(|b| b != b'0'))
        }
        _ => Err(RequestError::Framing),
    }
}

/// The decoded path of a target in origin form or absolute form (RFC 9112 section 3.2).
fn path(target: &str) -> Option<String> {
    let rest = match target.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => {
            rest.find('/').map_or("/", |at| rest.get(at..).unwrap_or("/"))
        }
        _ => target,
    };
    let path = rest.split(['?', '#']).next()?;
    if !path.starts_with('/') {
        return None;
    }
    decode(path)
}

/// Percent-decoding (RFC 3986 section 2.1). The result is only ever compared with names that exist.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => (hex(bytes.next()?)? << 4) | hex(bytes.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Request, RequestError> {
        Request::parse(text.as_bytes()).map(|parsed| parsed.unwrap().0)
    }

    #[test]
    fn what_ovmf_sends_is_understood() {
        let request = parse(
            "HEAD /images/worker_1/image.efi HTTP/1.1\r\nHost: 10.0.0.1\r\nAccept: */*\r\n\
             User-Agent: UefiHttpBoot/1.0\r\n\r\n",
        );
        let request = request.unwrap();
        assert_eq!((request.method, request.path.as_str()), (Method::Head, "/images/worker_1/image.efi"));
        assert!(request.keep_alive);
    }

    #[test]
    fn http_1_0_closes_unless_asked_otherwise() {
        assert!(!parse("GET / HTTP/1.0\r\n\r\n").unwrap().keep_alive);
        assert!(parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").unwrap().keep_alive);
        assert!(!parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, close\r\n\r\n").unwrap().keep_alive);
    }

    #[test]
    fn an_absolute_target_and_a_query_lead_to_the_path() {
        let request = parse("GET HTTP://a:80/b%2Bc?d=/e HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(request.path, "/b+c");
        assert_eq!(parse("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n").unwrap().path, "/");
    }

    #[test]
    fn ambiguous_requests_are_refused() {
        assert_eq!(parse("GET / HTTP/1.1\r\n\r\n"), Err(RequestError::Host));
        assert_eq!(parse("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), Err(RequestError::Host));
        assert_eq!(parse("GET x HTTP/1.0\r\n\r\n"), Err(RequestError::Target));
        assert_eq!(parse("GET /%zz HTTP/1.0\r\n\r\n"), Err(RequestError::Target));
        for both in
            ["Content-Length: 1\r\nTransfer-Encoding: chunked", "Content-Length: 1\r\nContent-Length: 2"]
        {
            assert_eq!(parse(&format!("GET / HTTP/1.0\r\n{both}\r\n\r\n")), Err(RequestError::Framing));
        }
    }

    #[test]
    fn after_a_body_that_nobody_reads_the_connection_ends() {
        assert!(!parse("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n").unwrap().keep_alive);
        assert!(parse("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").unwrap().keep_alive);
    }

    #[test]
    fn a_range_that_was_sent_twice_counts_for_nothing() {
        let request = parse("GET / HTTP/1.0\r\nRange: bytes=0-1\r\nRange: bytes=2-3\r\n\r\n").unwrap();
        assert_eq!(request.range, None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Request::parse(&bytes);
        }

        #[test]
        fn no_header_makes_it_panic(target in "[ -~]{0,40}", name in "[!-9;-~]{1,20}", value in "[ -~]{0,60}") {
            let _ = Request::parse(format!("GET /{target} HTTP/1.1\r\nHost: a\r\n{name}: {value}\r\n\r\n").as_bytes());
        }

        #[test]
        fn a_truncated_head_is_unfinished_or_refused(cut in 0usize..57) {
            let whole = b"GET /images/a/image.efi HTTP/1.1\r\nHost: a\r\nRange: b=0\r\n\r\n";
            prop_assert!(!matches!(Request::parse(&whole[..cut]), Ok(Some(_))));
        }
    }
}
