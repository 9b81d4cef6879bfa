//! Heads of HTTP requests and their ranges.

use bootwright_serve::http::range::{Wanted, wanted};
use bootwright_serve::http::request::Request;

/// A part that is wanted lies within the file, whatever the head says.
pub fn target(data: &[u8]) {
    let Ok(Some((request, length))) = Request::parse(data) else { return };
    assert!(length <= data.len());
    assert!(request.path.starts_with('/'));
    if let Some(field) = request.range
        && let Wanted::Part(range) = wanted(&field, 1000)
    {
        assert!(range.start < range.end && range.end <= 1000);
    }
}

/// A valid input.
pub fn seed() -> Vec<u8> {
    b"GET /images/a/root%2Eimg?x HTTP/1.1\r\nHost: a\r\nRange: bytes=10-99\r\nIf-Range: \"b\"\r\n\
      Content-Length: 0\r\nConnection: close\r\n\r\n"
        .to_vec()
}
