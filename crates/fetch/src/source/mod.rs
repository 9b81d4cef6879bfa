//! Whoever has the bytes: the [`Source`] trait and its implementations.

mod file;
mod http;
mod web_seed;

use std::future::Future;
use std::net::SocketAddr;
use std::ops::Range;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;

pub use self::file::FileSource;
pub use self::http::HttpSource;
pub(crate) use self::http::Opened;
pub use self::web_seed::WebSeed;
use crate::error::Failure;
use crate::schedule::Ranges;

/// A future in a box, so that [`Source`] can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A stream in a box.
pub type BoxStream<'a, T> = Pin<Box<dyn Stream<Item = T> + Send + 'a>>;

/// Something that has the file, or parts of it: a mirror, a local file.
///
/// A source verifies nothing; whoever reads from it does. It never waits for ever before its answer
/// begins: it has its own time-outs for names, connections and heads. The stream's silence is watched
/// by the reader.
pub trait Source: Send + Sync {
    /// Its URL or path, for messages.
    fn name(&self) -> &str;

    /// The lowest number is asked first, see [the scheduler](crate::schedule).
    fn priority(&self) -> u8 {
        0
    }

    /// The bytes of `range`, exactly, in order, or a failure that says how far they came.
    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Body, Failure>>;
}

/// The bytes of an answer.
pub struct Body {
    /// What the source did with the range. The stream holds the range alone in either case: what a
    /// source sends in front of it is skipped, and for that time the stream yields empty pieces as a
    /// sign of life.
    pub ranges: Ranges,
    /// The address that was connected to, for messages.
    pub address: Option<SocketAddr>,
    /// The bytes, in pieces of any length.
    pub bytes: BoxStream<'static, Result<Bytes, Failure>>,
}
