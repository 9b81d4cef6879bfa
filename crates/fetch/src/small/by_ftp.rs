//! Small files behind FTP.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use tokio::time::timeout;
use url::Url;

use super::{Small, Stop};
use crate::error::{Cause, Error, Failure};
use crate::http::{Client, STALL_TIMEOUT};
use crate::options::Observer;
use crate::retry::{Attempts, RetryPolicy};
use crate::source::{Mirror, mirror};

/// See [`get_small`](super::get_small).
pub(super) async fn get(
    client: &Arc<Client>,
    url: &Url,
    limit: usize,
    retry: RetryPolicy,
    observe: Observer<'_>,
) -> Result<Small, Error> {
    let mirror = mirror(client, url.clone(), None);
    let mut attempts = Attempts::new(retry);
    loop {
        match take_once(&*mirror, limit).await {
            Ok(bytes) => return Ok(Small { bytes, url: url.clone(), date: None }),
            Err(Stop::Fatal(error)) => return Err(error),
            Err(Stop::Failed(failure)) => attempts.rest(failure, observe).await?,
        }
    }
}

async fn take_once(mirror: &dyn Mirror, limit: usize) -> Result<Bytes, Stop> {
    let mut begun = mirror.begin(0).await?;
    let limit = limit as u64;
    let too_large = |size| Stop::Fatal(Error::TooLarge { url: mirror.name().to_owned(), size, limit });
    if begun.size.is_some_and(|size| size > limit) {
        return Err(too_large(begun.size));
    }
    let mut bytes = BytesMut::new();
    loop {
        let Ok(next) = timeout(STALL_TIMEOUT, begun.bytes.next()).await else {
            let cause = Cause::Stalled(STALL_TIMEOUT);
            let (address, offset) = (begun.address, Some(bytes.len() as u64));
            return Err(Failure { source_name: begun.name, address, offset, cause }.into());
        };
        match next.transpose()? {
            None => return Ok(bytes.freeze()),
            Some(piece) if (bytes.len() + piece.len()) as u64 > limit => return Err(too_large(None)),
            Some(piece) => bytes.extend_from_slice(&piece),
        }
    }
}
