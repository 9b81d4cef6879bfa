//! Bytes onto the wire: header and small bodies by send(2), artifacts by sendfile(2), which moves them
//! from the page cache to the socket without a copy through this process.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::time::Duration;

use rustix::fs::sendfile;
use rustix::net::{SendFlags, send};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::images::Body;

/// Bytes per sendfile call: bounds how long one connection keeps a thread from the others.
const SLICE: u64 = 1 << 20;

/// A client that takes nothing for this long has gone: firmware may pause for seconds while it
/// allocates memory, not for a minute.
const STALL: Duration = Duration::from_secs(60);

/// Whether more follows at once: then the kernel waits for it, to fill its packets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// The body comes next.
    More,
    /// That was all.
    Nothing,
}

/// Sends all of `bytes`.
pub async fn send_bytes(stream: &TcpStream, mut bytes: &[u8], follows: Follows) -> io::Result<()> {
    let mut flags = SendFlags::NOSIGNAL;
    flags.set(SendFlags::MORE, follows == Follows::More);
    while !bytes.is_empty() {
        let sent = once(stream, || send(stream, bytes, flags)).await?;
        bytes = bytes.get(sent..).unwrap_or_default();
    }
    Ok(())
}

/// Sends the bytes `range` of a body. `sent` counts them as they go, so that the count is right when
/// the client hangs up half-way.
pub async fn send_part(stream: &TcpStream, body: &Body, range: Range<u64>, sent: &mut u64) -> io::Result<()> {
    match body {
        Body::Memory(bytes) => {
            let (start, end) = (range.start as usize, range.end as usize);
            let part = bytes.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?;
            send_bytes(stream, part, Follows::Nothing).await?;
            *sent += part.len() as u64;
            Ok(())
        }
        Body::File { file, offset, .. } => {
            send_file(stream, file, range.start + offset..range.end + offset, sent).await
        }
    }
}

async fn send_file(stream: &TcpStream, file: &File, range: Range<u64>, sent: &mut u64) -> io::Result<()> {
    let mut at = range.start;
    while at < range.end {
        let count = (range.end - at).min(SLICE) as usize;
        let before = at;
        match once(stream, || sendfile(stream, file, Some(&mut at), count)).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ => *sent += at - before,
        }
        // A client that drains as fast as we fill would never let go of this thread.
        tokio::task::consume_budget().await;
    }
    Ok(())
}

/// Tries `operation` until the socket takes something.
async fn once(
    stream: &TcpStream,
    mut operation: impl FnMut() -> rustix::io::Result<usize>,
) -> io::Result<usize> {
    loop {
        match stream.try_io(Interest::WRITABLE, || operation().map_err(io::Error::from)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                timeout(STALL, stream.writable()).await.map_err(|_| io::ErrorKind::TimedOut)??;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
