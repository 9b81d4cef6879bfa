//! An answer: its head, and its body to be read.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::Incoming;
use hyper::http::response::Parts;
use url::Url;

use super::connect::Connected;
use super::pool::{Key, Pool};
use crate::error::{Cause, Failure};

/// An answer whose head is here. When its body has been read to the end, the connection goes back to
/// the pool; when it is dropped before, the connection is closed.
pub(crate) struct Reply {
    pub(crate) url: Url,
    pub(crate) address: SocketAddr,
    pub(crate) head: Parts,
    incoming: Incoming,
    connection: Option<Connected>,
    pool: (Arc<Pool>, Key),
}

impl Reply {
    pub(super) fn new(
        url: Url,
        address: SocketAddr,
        response: Response<Incoming>,
        connection: Connected,
        pool: (Arc<Pool>, Key),
    ) -> Self {
        let (head, incoming) = response.into_parts();
        Self { url, address, head, incoming, connection: Some(connection), pool }
    }

    /// The next bytes, `None` at the end. Does not watch the clock.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, Cause>> {
        loop {
            return match self.incoming.frame().await {
                // Trailers say nothing that we ask for.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => Some(Ok(bytes)),
                    Err(_) => continue,
                },
                Some(Err(error)) => Some(Err(Cause::Broken(error.into()))),
                None => {
                    self.keep();
                    None
                }
            };
        }
    }

    /// Gives the connection back to the pool if the body has been read whole.
    pub(crate) fn keep(&mut self) {
        use hyper::body::Body as _;
        if self.incoming.is_end_stream()
            && let Some(connection) = self.connection.take()
        {
            self.pool.0.put(&self.pool.1, connection);
        }
    }

    /// A failure of this answer.
    pub(crate) fn fail(&self, offset: Option<u64>, cause: Cause) -> Failure {
        Failure { source_name: self.url.as_str().into(), address: Some(self.address), offset, cause }
    }
}
