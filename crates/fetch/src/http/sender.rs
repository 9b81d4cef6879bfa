//! A connection's sending half, whichever version of HTTP the two sides agreed on.

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
#[cfg(feature = "http2")]
use hyper::client::conn::http2;
use hyper::{Request, Response};

/// What a request has to look like on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// HTTP/1.1 to the server itself: path and query (RFC 9112 section 3.2.1).
    Origin,
    /// HTTP/1.1 to a proxy: the whole URL (section 3.2.2).
    Absolute,
    /// HTTP/2: scheme and authority are fields of their own, there is no `Host`.
    #[cfg(feature = "http2")]
    Pseudo,
}

/// Sends requests.
pub(super) enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    #[cfg(feature = "http2")]
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Sender {
    /// Waits until the next request can be sent; an error when the connection is closed.
    pub(super) async fn ready(&mut self) -> hyper::Result<()> {
        match self {
            Self::Http1(sender) => sender.ready().await,
            #[cfg(feature = "http2")]
            Self::Http2(sender) => sender.ready().await,
        }
    }

    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::Http1(sender) => sender.send_request(request).await,
            #[cfg(feature = "http2")]
            Self::Http2(sender) => sender.send_request(request).await,
        }
    }
}
