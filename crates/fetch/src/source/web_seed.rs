//! A web seed: the files of a torrent behind URLs (BEP 19).
//!
//! A torrent of one file has it at the URL, or below it when that ends in a slash; one of several has them below
//! `URL/NAME/`. A range that spans files is a row of requests; padding (BEP 47) is nobody's file and comes from here.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bootwright_image::torrent::{Info, PlaceError};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use url::Url;

use super::{Body, BoxFuture, BoxStream, Mirror, MirrorKey, Source, mirror};
use crate::error::Failure;
use crate::http::Client;
use crate::schedule::Ranges;

/// Bytes of padding in one go.
const ZEROS: u64 = 64 << 10;

/// The files of a torrent behind the URL of a [mirror].
pub struct WebSeed {
    name: String,
    parts: Vec<Part>,
}

/// One file, and its bytes of the files laid end to end; none for padding.
#[derive(Clone)]
struct Part {
    range: Range<u64>,
    source: Option<Arc<dyn Mirror>>,
}

impl WebSeed {
    /// The files of `info` at `url`, a `url-list` entry of its torrent.
    ///
    /// # Errors
    /// [`PlaceError`] when the torrent has paths that are none.
    pub fn new(client: &Arc<Client>, url: &Url, info: &Info) -> Result<Self, PlaceError> {
        let source = |url: Url, size| mirror(client, url, Some(size));
        let Some(files) = info.placed()? else {
            let file = if url.path().ends_with('/') { below(url, &[info.place()?]) } else { url.clone() };
            let name = file.to_string();
            let part = Part { range: 0..info.size(), source: Some(source(file, info.size())) };
            return Ok(Self { name, parts: vec![part] });
        };
        let directory = below(url, &[info.place()?]);
        let parts = files.into_iter().filter(|file| !file.range.is_empty()).map(|file| {
            let url = file.path.map(|path| {
                let names: Vec<_> = path.iter().filter_map(|name| name.to_str()).collect();
                below(&directory, &names)
            });
            let size = file.range.end - file.range.start;
            Part { range: file.range, source: url.map(|url| source(url, size)) }
        });
        Ok(Self { name: directory.to_string(), parts: parts.collect() })
    }

    /// What of which part makes up `range`.
    fn cut(&self, range: &Range<u64>) -> VecDeque<Part> {
        let first = self.parts.partition_point(|part| part.range.end <= range.start);
        let parts = self.parts.iter().skip(first).take_while(|part| part.range.start < range.end);
        let within = |part: &Part| {
            let start = part.range.start.max(range.start) - part.range.start;
            let end = part.range.end.min(range.end) - part.range.start;
            Part { range: start..end, source: part.source.clone() }
        };
        parts.map(within).collect()
    }
}

/// The URL of `names` below `url`, each name quoted as it needs.
fn below(url: &Url, names: &[&str]) -> Url {
    let mut url = url.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(names);
    }
    url
}

impl Part {
    async fn open(self) -> Result<Body, Failure> {
        match self.source {
            Some(source) => source.read(self.range).await,
            None => Ok(Body { ranges: Ranges::Honoured, address: None, bytes: zeros(self.range) }),
        }
    }
}

fn zeros(range: Range<u64>) -> BoxStream<'static, Result<Bytes, Failure>> {
    let left = range.end - range.start;
    Box::pin(stream::unfold(left, |left| async move {
        let now = left.min(ZEROS);
        (now > 0).then(|| (Ok(Bytes::from(vec![0; now as usize])), left - now))
    }))
}

impl Source for WebSeed {
    fn name(&self) -> &str {
        &self.name
    }

    fn priority(&self) -> u8 {
        super::http::PRIORITY
    }

    fn herd(&self) -> Option<MirrorKey> {
        // All files are at one server.
        self.parts.iter().find_map(|part| part.source.as_ref()?.herd())
    }

    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Body, Failure>> {
        let mut parts = self.cut(&range);
        Box::pin(async move {
            let first = match parts.pop_front() {
                Some(part) => part.open().await?,
                None => Body { ranges: Ranges::Honoured, address: None, bytes: zeros(0..0) },
            };
            let (ranges, address) = (first.ranges, first.address);
            let rest = stream::unfold(Some((first.bytes, parts)), |state| async move {
                let (mut bytes, mut parts) = state?;
                loop {
                    match bytes.next().await {
                        Some(Ok(piece)) => return Some((Ok(piece), Some((bytes, parts)))),
                        Some(Err(failure)) => return Some((Err(failure), None)),
                        None => {}
                    }
                    match parts.pop_front()?.open().await {
                        Ok(body) => bytes = body.bytes,
                        Err(failure) => return Some((Err(failure), None)),
                    }
                }
            });
            Ok(Body { ranges, address, bytes: Box::pin(rest) })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_hang_below_the_url_with_or_without_a_slash() {
        let url = |text: &str| Url::parse(text).unwrap();
        let expected = "http://m/d/a%20b%3F/c%23%25.iso";
        assert_eq!(below(&url("http://m/d/"), &["a b?", "c#%.iso"]).as_str(), expected);
        assert_eq!(below(&url("http://m/d"), &["a b?", "c#%.iso"]).as_str(), expected);
    }
}
