//! One peer that is asked for metadata: BEP 10's handshake, then piece after piece (BEP 9).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bootwright_image::MAX_MANIFEST;
use bootwright_image::torrent::InfoHash;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::error::Cause;
use crate::swarm::net::dial::Greeted;
use crate::swarm::net::link::broken;
use crate::swarm::policy;
use crate::swarm::wire::{self, Extended, METADATA_PIECE, Message, Metadata, OUR_METADATA_ID};

/// Requests that a peer has waiting: enough for a long line, few enough for clients that limit them.
const AHEAD: usize = 4;

/// A peer that sends no piece for so long is left.
const PATIENCE: Duration = Duration::from_secs(20);

/// What each peer is asked.
pub(super) struct Question {
    pub(super) info_hash: InfoHash,
    /// Where we listen.
    pub(super) port: u16,
    /// Pieces that have come, from anybody.
    pub(super) moved: Arc<AtomicU64>,
}

impl Question {
    /// Asks one peer for all of it.
    pub(super) async fn ask(self, greeted: Greeted) -> Result<Vec<u8>, Cause> {
        if !greeted.handshake.extended {
            return Err(Cause::Answer("it does not know of metadata (BEP 10)".into()));
        }
        let mut talk = Talk { stream: greeted.stream, received: BytesMut::new(), moved: self.moved };
        let ours = Extended {
            metadata_id: Some(OUR_METADATA_ID),
            client: Some(concat!("bootwright ", env!("CARGO_PKG_VERSION")).into()),
            port: Some(self.port),
            ..Extended::default()
        };
        let mut first = BytesMut::new();
        if greeted.handshake.fast {
            // BEP 6 wants it before all else.
            wire::encode_talk(&policy::Talk::HaveNone, &mut first);
        }
        wire::encode_extended(0, &ours.to_bytes(), &mut first);
        talk.send(&first).await?;
        let (number, size) = talk.what_it_has().await?;
        let bytes = talk.all(number, size).await?;
        let found = InfoHash::of(&bytes);
        if found == self.info_hash { Ok(bytes) } else { Err(Cause::Metadata(found)) }
    }
}

struct Talk {
    stream: TcpStream,
    received: BytesMut,
    moved: Arc<AtomicU64>,
}

impl Talk {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), Cause> {
        let written = timeout_at(Instant::now() + PATIENCE, self.stream.write_all(bytes)).await;
        written.map_err(|_| Cause::Stalled(PATIENCE))?.map_err(broken)
    }

    /// The number under which it takes requests, and the size of the dictionary.
    async fn what_it_has(&mut self) -> Result<(u8, usize), Cause> {
        let until = Instant::now() + PATIENCE;
        let told = loop {
            if let (0, payload) = self.hear(until).await? {
                break Extended::read(&payload).map_err(|error| Cause::Answer(error.to_string()))?;
            }
        };
        let has = told.metadata_id.zip(told.metadata_size);
        let (number, size) = has.ok_or_else(|| Cause::Answer("it has no metadata".into()))?;
        match size as usize {
            size @ 1..=MAX_MANIFEST => Ok((number, size)),
            size => Err(Cause::Answer(format!("it has metadata of {size} bytes, not 1 to {MAX_MANIFEST}"))),
        }
    }

    /// All pieces of the dictionary, laid end to end.
    async fn all(&mut self, number: u8, size: usize) -> Result<Vec<u8>, Cause> {
        let count = size.div_ceil(METADATA_PIECE);
        let mut pieces: Vec<Option<Vec<u8>>> = vec![None; count];
        let (mut asked, mut missing) = (0, count);
        let mut until = Instant::now() + PATIENCE;
        while missing > 0 {
            while asked < count && asked + missing < count + AHEAD {
                // At most MAX_MANIFEST / METADATA_PIECE.
                let mut request = BytesMut::new();
                wire::encode_extended(number, &Metadata::Request(asked as u32).to_bytes(), &mut request);
                self.send(&request).await?;
                asked += 1;
            }
            let (OUR_METADATA_ID, payload) = self.hear(until).await? else { continue };
            match Metadata::read(&payload).map_err(|error| Cause::Answer(error.to_string()))? {
                Some(Metadata::Data(piece, total, data)) => {
                    let piece = piece as usize;
                    let length =
                        size.saturating_sub(piece.saturating_mul(METADATA_PIECE)).min(METADATA_PIECE);
                    let place = pieces.get_mut(piece).filter(|place| place.is_none() && piece < asked);
                    let Some(place) = place.filter(|_| total as usize == size && data.len() == length) else {
                        return Err(Cause::Answer(format!(
                            "it sends a piece of metadata, {piece}, that is none"
                        )));
                    };
                    *place = Some(data.to_vec());
                    missing -= 1;
                    self.moved.fetch_add(1, Ordering::Relaxed);
                    until = Instant::now() + PATIENCE;
                }
                Some(Metadata::Reject(piece)) => {
                    return Err(Cause::Answer(format!("it does not give piece {piece} of its metadata")));
                }
                // It may ask us for what we do not have either.
                Some(Metadata::Request(_)) | None => {}
            }
        }
        Ok(pieces.into_iter().flatten().flatten().collect())
    }

    /// The next message of BEP 10; others are passed over.
    async fn hear(&mut self, until: Instant) -> Result<(u8, Bytes), Cause> {
        loop {
            while let Some(message) = wire::decode(&mut self.received, 0).map_err(Cause::Wire)? {
                if let Message::Extended(number, payload) = message {
                    return Ok((number, payload));
                }
            }
            // Who talks without end is never waited for.
            if Instant::now() >= until {
                return Err(Cause::Stalled(PATIENCE));
            }
            let read = timeout_at(until, self.stream.read_buf(&mut self.received)).await;
            if read.map_err(|_| Cause::Stalled(PATIENCE))?.map_err(broken)? == 0 {
                return Err(broken(std::io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}
