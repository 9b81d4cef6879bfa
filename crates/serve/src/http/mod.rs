//! The HTTP server: artifacts at the speed of the wire, everything else through a router.
//!
//! 1. [`Server::run`] accepts connections, at most [`Limits::connections`] at a time.
//! 2. [`request`] parses a head; the [catalogue](crate::images::Catalogue) says whether its path names
//!    something that is served. No path of a URL ever becomes a path of a file.
//! 3. [`reply`] decides status, header and [range]: a pure function.
//! 4. [`send`] moves the bytes with sendfile(2).
//! 5. A path that is no artifact's is [handed over](handover) to an axum router on the same connection.
//!
//! What firmware insists on: HEAD before GET, `Content-Length` always, `application/efi` without
//! parameters, no redirections.

mod connection;
mod handover;
pub mod range;
pub mod reply;
pub mod request;
mod send;
mod server;

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

pub use server::{Limits, Server};

use crate::images::Catalogue;

/// What the connections serve.
pub struct Service {
    /// The artifacts.
    pub catalogue: Arc<Catalogue>,
    /// Whatever is not an artifact.
    pub router: axum::Router,
    /// Is told of every transfer; must return quickly.
    pub observe: Box<Observe>,
}

/// Takes a transfer, the bytes sent so far, the time since it began, and how it goes.
pub type Observe = dyn Fn(&Transfer<'_>, u64, Duration, Progress<'_>) + Send + Sync;

/// A range of an artifact on its way to a client.
#[derive(Debug, Clone)]
pub struct Transfer<'a> {
    /// The client.
    pub peer: SocketAddr,
    /// The path of the URL.
    pub path: &'a str,
    /// The bytes that are being sent.
    pub range: Range<u64>,
    /// Bytes of the whole artifact.
    pub total: u64,
}

/// How a transfer goes.
#[derive(Debug)]
pub enum Progress<'a> {
    /// It begins.
    Begins,
    /// Every byte has been handed to the kernel.
    Done,
    /// The client hung up or stood still, or the file shrank on disk.
    Failed(&'a io::Error),
}

#[cfg(test)]
mod tests;
