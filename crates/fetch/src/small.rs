//! Small things: a manifest into memory, a report to the server.

#[cfg(feature = "ftp")]
mod by_ftp;

use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use hyper::header;
use tokio::time::timeout;
use url::Url;

use crate::error::{Cause, Error, Failure};
use crate::http::{Ask, Client, Reply, refused};
use crate::options::Observer;
use crate::retry::{Attempts, RetryPolicy};

/// A small file, whole, and not verified by anybody yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Small {
    /// Its bytes.
    pub bytes: Bytes,
    /// Where it was found after redirects: siblings are relative to this.
    pub url: Url,
    /// The server's clock, as `Date` says: a machine without a battery may want it.
    pub date: Option<SystemTime>,
}

enum Stop {
    Failed(Failure),
    Fatal(Error),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Fetches a file of at most `limit` bytes into memory, from a URL as [`mirror`](crate::mirror()) takes them.
///
/// # Errors
/// [`Error::Transfer`] when `retry` is used up, [`Error::TooLarge`].
pub async fn get_small(
    client: &Arc<Client>,
    url: &Url,
    limit: usize,
    retry: RetryPolicy,
    observe: Observer<'_>,
) -> Result<Small, Error> {
    #[cfg(feature = "ftp")]
    if ["ftp", "ftps"].contains(&url.scheme()) {
        return by_ftp::get(client, url, limit, retry, observe).await;
    }
    let mut attempts = Attempts::new(retry);
    loop {
        match get_once(client, url, limit).await {
            Ok(small) => return Ok(small),
            Err(Stop::Fatal(error)) => return Err(error),
            Err(Stop::Failed(failure)) => attempts.rest(failure, observe).await?,
        }
    }
}

async fn get_once(client: &Client, url: &Url, limit: usize) -> Result<Small, Stop> {
    let mut reply = client.send(Ask::get(url)).await?;
    if reply.head.status != hyper::StatusCode::OK {
        return Err(reply.fail(None, refused(reply.head.status, &reply.head.headers)).into());
    }
    let too_large = |size| {
        let limit = limit as u64;
        Stop::Fatal(Error::TooLarge { url: url.to_string(), size, limit })
    };
    let size = header_text(&reply, &header::CONTENT_LENGTH).and_then(|size| size.parse().ok());
    if size.is_some_and(|size: u64| size > limit as u64) {
        return Err(too_large(size));
    }
    let mut bytes = BytesMut::new();
    let stall = client.timeouts().stall;
    loop {
        let offset = Some(bytes.len() as u64);
        match timeout(stall, reply.next()).await {
            Err(_) => return Err(reply.fail(offset, Cause::Stalled(stall)).into()),
            Ok(Some(Err(cause))) => return Err(reply.fail(offset, cause).into()),
            Ok(Some(Ok(piece))) if bytes.len() + piece.len() > limit => return Err(too_large(None)),
            Ok(Some(Ok(piece))) => bytes.extend_from_slice(&piece),
            Ok(None) => break,
        }
    }
    let date = header_text(&reply, &header::DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    Ok(Small { bytes: bytes.freeze(), url: reply.url.clone(), date })
}

fn header_text<'a>(reply: &'a Reply, name: &header::HeaderName) -> Option<&'a str> {
    reply.head.headers.get(name)?.to_str().ok()
}

/// Posts a JSON document; the answer counts only by its status.
///
/// # Errors
/// [`Error::Transfer`] when `retry` is used up or the server refuses the document.
pub async fn post_json(
    client: &Client,
    url: &Url,
    body: Bytes,
    retry: RetryPolicy,
    observe: Observer<'_>,
) -> Result<(), Error> {
    let mut attempts = Attempts::new(retry);
    loop {
        match post_once(client, url, body.clone()).await {
            Ok(()) => return Ok(()),
            Err(failure) => attempts.rest(failure, observe).await?,
        }
    }
}

async fn post_once(client: &Client, url: &Url, body: Bytes) -> Result<(), Failure> {
    let ask = Ask::post(url, body).header(header::CONTENT_TYPE, "application/json".to_owned())?;
    let mut reply = client.send(ask).await?;
    // An answer without a body leaves the connection free for the next report.
    reply.keep();
    if reply.head.status.is_success() {
        return Ok(());
    }
    Err(reply.fail(None, refused(reply.head.status, &reply.head.headers)))
}
