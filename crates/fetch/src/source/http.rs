//! A mirror: a file behind an HTTP or HTTPS URL.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use hyper::header;
use tokio::time::timeout;
use url::Url;

use super::{Begun, Body, BoxFuture, BoxStream, Looked, Mirror, MirrorKey, Source};
use crate::error::{Cause, Failure};
use crate::http::{Ask, Client, Expect, Plan, Reply, interpret};

/// Priority of a mirror: after local files.
pub(super) const PRIORITY: u8 = 10;

/// A file behind an HTTP or HTTPS URL, read by Range.
pub struct HttpSource {
    client: Arc<Client>,
    url: Url,
    size: Option<u64>,
    priority: u8,
    seen: Mutex<Seen>,
}

/// What earlier answers said.
#[derive(Default)]
struct Seen {
    /// The strong ETag of the first one.
    etag: Option<String>,
    /// Where redirects led.
    url: Option<Url>,
}

/// An answer that has been found right, with what is still to be read of it.
struct Opened {
    plan: Plan,
    reply: Reply,
    /// Bytes to pass over.
    skip: u64,
    /// The byte of the file that comes next, after what is passed over.
    at: u64,
    left: Option<u64>,
}

impl HttpSource {
    /// A mirror of a file at `url`. A server that states another size than `size` is refused at once.
    pub fn new(client: Arc<Client>, url: Url, size: Option<u64>) -> Self {
        Self { client, url, size, priority: PRIORITY, seen: Mutex::default() }
    }

    /// The same, asked earlier or later than others: see [`Source::priority`].
    pub fn with_priority(self, priority: u8) -> Self {
        Self { priority, ..self }
    }

    /// Asks for `range`; an end of `u64::MAX` stands for the end of the file.
    async fn open(&self, range: Range<u64>) -> Result<Opened, Failure> {
        let (etag, url) = self.recall();
        let direct = url.is_some();
        let result = self.ask(range, etag, &url.unwrap_or_else(|| self.url.clone())).await;
        if direct && result.is_err() {
            // Perhaps the redirect has moved on: the next attempt starts at the URL that was given.
            self.remember(|seen| seen.url = None);
        }
        result
    }

    async fn ask(&self, range: Range<u64>, etag: Option<String>, url: &Url) -> Result<Opened, Failure> {
        let mut ask = Ask::get(url).header(header::RANGE, crate::http::asked(&range))?;
        if let Some(etag) = &etag {
            ask = ask.header(header::IF_RANGE, etag.clone())?;
        }
        let reply = self.client.send(ask).await?;
        let at = range.start;
        let expect = Expect { range, size: self.size, etag };
        let plan = interpret(&expect, &reply.head).map_err(|cause| {
            if matches!(cause, Cause::Changed { .. }) {
                // The next attempt takes the new file as it is; digests decide whether it is right.
                self.remember(|seen| seen.etag = None);
            }
            reply.fail(Some(at), cause)
        })?;
        self.remember(|seen| {
            seen.etag = seen.etag.take().or_else(|| plan.etag.clone());
            seen.url = (reply.url != self.url).then(|| reply.url.clone());
        });
        Ok(Opened { skip: plan.skip, left: plan.take, at, plan, reply })
    }

    fn recall(&self) -> (Option<String>, Option<Url>) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.etag.clone(), seen.url.clone())
    }

    fn remember(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Opened {
    /// The next bytes of the range, an empty piece while bytes in front of it go by, `None` at its end.
    async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        if self.left == Some(0) {
            self.reply.keep();
            return None;
        }
        let mut piece = match self.reply.next().await {
            Some(Ok(piece)) => piece,
            Some(Err(cause)) => return Some(Err(self.fail(self.name_truncation(cause)))),
            None => {
                let missing = self.left? + self.skip;
                return Some(Err(self.fail(Cause::Truncated { missing })));
            }
        };
        let skipped = piece.split_to(self.skip.min(piece.len() as u64) as usize);
        self.skip -= skipped.len() as u64;
        if let Some(left) = &mut self.left {
            piece.truncate((*left).min(piece.len() as u64) as usize);
            *left -= piece.len() as u64;
        }
        self.at += piece.len() as u64;
        Some(Ok(piece))
    }

    fn into_stream(self) -> BoxStream<'static, Result<Bytes, Failure>> {
        Box::pin(stream::unfold(self, |mut opened| async move {
            let next = opened.next().await?;
            Some((next, opened))
        }))
    }

    /// hyper knows that an answer ended early, this struct knows by how much.
    fn name_truncation(&self, cause: Cause) -> Cause {
        match (&cause, self.left) {
            (Cause::Broken(error), Some(left)) if ended_early(&**error) => {
                Cause::Truncated { missing: left + self.skip }
            }
            _ => cause,
        }
    }

    /// A failure at the byte that comes next.
    fn fail(&self, cause: Cause) -> Failure {
        self.reply.fail(Some(self.at), cause)
    }
}

/// Whether an end of file is at the bottom of `error`.
fn ended_early(error: &(dyn std::error::Error + 'static)) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|io| io.kind() == io::ErrorKind::UnexpectedEof) || error.source().is_some_and(ended_early)
}

impl Source for HttpSource {
    fn name(&self) -> &str {
        self.url.as_str()
    }

    fn priority(&self) -> u8 {
        self.priority
    }

    fn herd(&self) -> Option<MirrorKey> {
        MirrorKey::of(&self.url)
    }

    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Body, Failure>> {
        Box::pin(async move {
            let opened = self.open(range).await?;
            let (ranges, address) = (opened.plan.ranges, Some(opened.reply.address));
            Ok(Body { ranges, address, bytes: opened.into_stream() })
        })
    }
}

impl Mirror for HttpSource {
    fn begin(&self, at: u64) -> BoxFuture<'_, Result<Begun, Failure>> {
        Box::pin(async move {
            let opened = self.open(at..u64::MAX).await?;
            let (size, address) = (opened.plan.size, Some(opened.reply.address));
            let name = opened.reply.url.as_str().into();
            Ok(Begun { size, name, address, bytes: opened.into_stream() })
        })
    }

    fn look(&self) -> BoxFuture<'_, Result<Looked, Failure>> {
        Box::pin(async move {
            let mut opened = self.open(0..1).await?;
            let looked = Looked { size: opened.plan.size, ranges: opened.plan.ranges };
            let stall = self.client.timeouts().stall;
            // An answer that is read to its end leaves the connection to the next request.
            while let Ok(Some(Ok(_))) = timeout(stall, opened.next()).await {}
            Ok(looked)
        })
    }

    fn has_validator(&self) -> bool {
        self.recall().0.is_some()
    }
}
