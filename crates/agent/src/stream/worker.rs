//! The worker, seen from the survivor.

use std::os::fd::OwnedFd;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::{ENTERED, Word};
use crate::failure::Failure;

/// The worker, as long as there is one.
pub struct Worker {
    channel: Option<UnixStream>,
}

/// What became of the worker.
pub enum Parting {
    /// The root was entered.
    Entered,
    /// The boot has failed, or takes another way.
    Left,
}

impl Worker {
    /// At the other end of `channel`.
    pub fn new(channel: OwnedFd) -> Result<Self, Failure> {
        let channel = std::os::unix::net::UnixStream::from(channel);
        let channel = channel.set_nonblocking(true).and_then(|()| UnixStream::from_std(channel));
        let channel = channel.map_err(|error| Failure::of("the channel to the worker", &error))?;
        Ok(Self { channel: Some(channel) })
    }

    /// Whether it is there, as far as is known.
    pub fn is_there(&self) -> bool {
        self.channel.is_some()
    }

    /// Tells it; false when it is not there any more.
    pub async fn tell(&mut self, word: &Word) -> bool {
        let (Some(channel), Ok(mut line)) = (&mut self.channel, serde_json::to_vec(word)) else {
            return false;
        };
        line.push(b'\n');
        channel.write_all(&line).await.is_ok()
    }

    /// Waits until it goes, once.
    pub async fn parting(&mut self) -> Parting {
        let Some(channel) = &mut self.channel else { return std::future::pending().await };
        let mut byte = [0];
        let heard = channel.read(&mut byte).await;
        self.channel = None;
        match heard {
            Ok(1) if byte == [ENTERED] => Parting::Entered,
            _ => Parting::Left,
        }
    }
}
