//! One request as a task: a stream of bytes in, whole chunks out.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

use crate::error::{Cause, Failure};
use crate::layout::Layout;
use crate::piece::Gather;
use crate::schedule::{Ranges, RequestId};
use crate::source::{Body, Source};

/// What a request has to tell.
pub(super) struct Report {
    pub(super) request: RequestId,
    pub(super) what: What,
}

pub(super) enum What {
    /// The answer began.
    Answered { ranges: Ranges, address: Option<SocketAddr> },
    /// All bytes of a chunk.
    Chunk { chunk: u32, pieces: Vec<Bytes> },
    /// It is over.
    Ended(Option<Failure>),
}

/// What a request is to do.
pub(super) struct Request {
    pub(super) id: RequestId,
    pub(super) source: Arc<dyn Source>,
    pub(super) span: Range<u32>,
    pub(super) layout: Arc<Layout>,
    pub(super) stall: Duration,
    pub(super) reports: Sender<Report>,
}

/// The driver has gone: there is nobody to work for.
struct Gone;

impl Request {
    pub(super) async fn run(self) {
        let outcome = match self.source.read(self.layout.span(&self.span)).await {
            Ok(body) => self.deliver(body).await,
            Err(failure) => Ok(Some(failure)),
        };
        if let Ok(failure) = outcome {
            let _: Result<(), Gone> = self.tell(What::Ended(failure)).await;
        }
    }

    /// Cuts the answer into chunks; what it failed with, if it did.
    async fn deliver(&self, body: Body) -> Result<Option<Failure>, Gone> {
        let Body { ranges, address, mut bytes } = body;
        self.tell(What::Answered { ranges, address }).await?;
        let mut gather = Gather::default();
        for chunk in self.span.clone() {
            let range = self.layout.range(chunk);
            let length = (range.end - range.start) as usize;
            while gather.len() < length {
                let fail = |cause| {
                    let offset = Some(range.start + gather.len() as u64);
                    Failure { source_name: self.source.name().into(), address, offset, cause }
                };
                match timeout(self.stall, bytes.next()).await {
                    Err(_) => return Ok(Some(fail(Cause::Stalled(self.stall)))),
                    Ok(Some(Err(failure))) => return Ok(Some(failure)),
                    Ok(None) => {
                        let missing = (length - gather.len()) as u64;
                        return Ok(Some(fail(Cause::Truncated { missing })));
                    }
                    Ok(Some(Ok(piece))) => gather.push(piece),
                }
            }
            let pieces = gather.take(length);
            self.tell(What::Chunk { chunk, pieces }).await?;
        }
        // Lets the source see that its stream has been read whole, so that it can keep a connection.
        // A source that sends more than it was asked for is left at that.
        let _ = timeout(self.stall, bytes.next()).await;
        Ok(None)
    }

    async fn tell(&self, what: What) -> Result<(), Gone> {
        self.reports.send(Report { request: self.id, what }).await.map_err(|_| Gone)
    }
}
