//! Whoever has the bytes: the [`Source`] trait and its implementations.

mod file;
#[cfg(feature = "ftp")]
mod ftp;
mod herd;
mod http;
mod web_seed;

use std::future::Future;
use std::net::SocketAddr;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use url::Url;

pub use self::file::FileSource;
#[cfg(feature = "ftp")]
pub use self::ftp::FtpSource;
pub use self::herd::MirrorKey;
pub use self::http::HttpSource;
pub use self::web_seed::WebSeed;
use crate::error::Failure;
use crate::http::Client;
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

    /// The server, as it is named to other machines of the fleet that may ask it too; `None` when it is ours alone.
    fn herd(&self) -> Option<MirrorKey> {
        None
    }

    /// The bytes of `range`, exactly, in order, or a failure that says how far they came.
    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Body, Failure>>;
}

/// A source of one whole file, whose size it says.
pub trait Mirror: Source {
    /// The file from byte `at` to its end.
    fn begin(&self, at: u64) -> BoxFuture<'_, Result<Begun, Failure>>;

    /// What it says of the file, without sending more than a byte of it.
    fn look(&self) -> BoxFuture<'_, Result<Looked, Failure>>;

    /// Whether it would be noticed that the file has been exchanged since it was first asked for.
    fn has_validator(&self) -> bool;
}

/// What a source says of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looked {
    /// Bytes of the whole file, when it says it.
    pub size: Option<u64>,
    /// What it does with ranges.
    pub ranges: Ranges,
}

/// A file that comes from some byte on.
pub struct Begun {
    /// Bytes of the whole file, when the server says it.
    pub size: Option<u64>,
    /// Who sends it, after redirects, for messages.
    pub name: Box<str>,
    /// The address that was connected to, for messages.
    pub address: Option<SocketAddr>,
    /// The bytes, in pieces of any length; empty ones are signs of life.
    pub bytes: BoxStream<'static, Result<Bytes, Failure>>,
}

/// A mirror behind a URL: HTTP, HTTPS and, with the feature `ftp`, FTP and FTPS. A server that states another size than
/// `size` is refused at once.
pub fn mirror(client: &Arc<Client>, url: Url, size: Option<u64>) -> Arc<dyn Mirror> {
    #[cfg(feature = "ftp")]
    if ["ftp", "ftps"].contains(&url.scheme()) {
        return Arc::new(FtpSource::new(client.clone(), url, size));
    }
    Arc::new(HttpSource::new(client.clone(), url, size))
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
