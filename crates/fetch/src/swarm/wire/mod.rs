//! The peer wire protocol, bytes only (BEP 3, BEP 6, BEP 10).
//!
//! ```text
//! handshake   19 "BitTorrent protocol" reserved[8] info_hash[20] peer_id[20]
//! message     length[4] id[1] payload[length - 1]         length 0: keep-alive
//! ```
//!
//! Numbers are big-endian. [`decode`] takes one message at a time from the front of what was received and
//! refuses a length that no lawful message of this torrent has before it waits for its bytes.
//!
//! Not supported: encryption (MSE), BitTorrent v2 (BEP 52), uTP.

mod extended;
mod handshake;

use bootwright_image::torrent::MAX_PIECES;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

pub use extended::{Busy, Extended, METADATA_PIECE, Metadata, OUR_BUSY_ID, OUR_METADATA_ID};
pub use handshake::{HANDSHAKE, Handshake};

use super::policy::{BLOCK, Block, Talk};
use super::{Bits, BitsError};

/// Bytes of a message around the data: extended messages carry a dictionary in front of a piece of
/// metadata, and the handshake of BEP 10 lists a client's extensions.
const AROUND: usize = 16 << 10;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The other side lives.
    KeepAlive,
    /// What the policy is told.
    Talk(Talk),
    /// A block.
    Piece(Block, Bytes),
    /// BEP 10: the receiver's number of the extension, 0 for the handshake, and what it says.
    Extended(u8, Bytes),
    /// Of an extension that is not used here: DHT's port, hints of BEP 6, or an unknown one.
    Other(u8),
}

/// Why bytes are no message of this torrent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Longer than any lawful one.
    #[error("a message of {found} bytes, the longest of this torrent has {most}")]
    Long {
        /// The length it states.
        found: u32,
        /// The longest that is read.
        most: u32,
    },
    /// Its length does not suit its kind.
    #[error("message {id} with {length} bytes")]
    Length {
        /// Kind.
        id: u8,
        /// Bytes of the payload.
        length: usize,
    },
    /// A bitfield that is none.
    #[error(transparent)]
    Bits(#[from] BitsError),
    /// Not the protocol at all.
    #[error("the handshake is not BitTorrent's")]
    Protocol,
}

/// The longest message that a torrent of `chunks` chunks has, in bytes; of one with 0 chunks, whose number may
/// not be known yet, that any has.
pub fn longest(chunks: u32) -> u32 {
    let chunks = if chunks == 0 { MAX_PIECES as u32 } else { chunks };
    let bitfield = chunks.div_ceil(8) + 1;
    (BLOCK + AROUND as u32).max(bitfield)
}

/// Takes the next message from the front of `received`; `None` until all of it is there. A torrent without
/// known metadata has 0 chunks, and its bitfields are passed over.
///
/// # Errors
/// The connection is of no use afterwards.
pub fn decode(received: &mut BytesMut, chunks: u32) -> Result<Option<Message>, WireError> {
    let Some(head) = received.first_chunk::<4>() else { return Ok(None) };
    let (length, most) = (u32::from_be_bytes(*head), longest(chunks));
    if length > most {
        return Err(WireError::Long { found: length, most });
    }
    if received.len() - 4 < length as usize {
        return Ok(None);
    }
    received.advance(4);
    let mut payload = received.split_to(length as usize).freeze();
    if payload.is_empty() {
        return Ok(Some(Message::KeepAlive));
    }
    let id = payload.get_u8();
    message(id, payload, chunks).map(Some)
}

fn message(id: u8, mut payload: Bytes, chunks: u32) -> Result<Message, WireError> {
    let length = payload.len();
    let exactly = |wanted| if length == wanted { Ok(()) } else { Err(WireError::Length { id, length }) };
    let simple = |talk| exactly(0).map(|()| Message::Talk(talk));
    match id {
        0 => simple(Talk::Choke),
        1 => simple(Talk::Unchoke),
        2 => simple(Talk::Interested),
        3 => simple(Talk::NotInterested),
        4 => exactly(4).map(|()| Message::Talk(Talk::Have(payload.get_u32()))),
        5 if chunks == 0 => Ok(Message::Other(id)),
        5 => Ok(Message::Talk(Talk::Bitfield(Bits::read(&payload, chunks)?))),
        6 => exactly(12).map(|()| Message::Talk(Talk::Request(block(&mut payload)))),
        7 if length < 8 => Err(WireError::Length { id, length }),
        7 => {
            let (chunk, begin) = (payload.get_u32(), payload.get_u32());
            // Bounded by `longest`.
            let block = Block { chunk, begin, length: payload.len() as u32 };
            Ok(Message::Piece(block, payload))
        }
        8 => exactly(12).map(|()| Message::Talk(Talk::Cancel(block(&mut payload)))),
        14 => simple(Talk::HaveAll),
        15 => simple(Talk::HaveNone),
        16 => exactly(12).map(|()| Message::Talk(Talk::Reject(block(&mut payload)))),
        20 if length == 0 => Err(WireError::Length { id, length }),
        20 => Ok(Message::Extended(payload.get_u8(), payload)),
        other => Ok(Message::Other(other)),
    }
}

/// Three numbers; the caller has checked that they are there.
fn block(payload: &mut Bytes) -> Block {
    Block { chunk: payload.get_u32(), begin: payload.get_u32(), length: payload.get_u32() }
}

/// Writes what the policy says.
pub fn encode_talk(talk: &Talk, to: &mut BytesMut) {
    match talk {
        Talk::Choke => head(to, 0, 0),
        Talk::Unchoke => head(to, 0, 1),
        Talk::Interested => head(to, 0, 2),
        Talk::NotInterested => head(to, 0, 3),
        Talk::Have(chunk) => {
            head(to, 4, 4);
            to.put_u32(*chunk);
        }
        Talk::Bitfield(bits) => {
            head(to, bits.as_bytes().len(), 5);
            to.put_slice(bits.as_bytes());
        }
        Talk::Request(block) => encode_block(to, 6, block),
        Talk::Cancel(block) => encode_block(to, 8, block),
        Talk::HaveAll => head(to, 0, 14),
        Talk::HaveNone => head(to, 0, 15),
        Talk::Reject(block) => encode_block(to, 16, block),
    }
}

/// Writes the front of a piece message: the block's bytes come behind it.
pub fn encode_piece(block: &Block, to: &mut BytesMut) {
    head(to, 8 + block.length as usize, 7);
    to.put_u32(block.chunk);
    to.put_u32(block.begin);
}

/// Writes a message of BEP 10.
pub fn encode_extended(id: u8, payload: &[u8], to: &mut BytesMut) {
    head(to, 1 + payload.len(), 20);
    to.put_u8(id);
    to.put_slice(payload);
}

/// Writes a keep-alive.
pub fn encode_keep_alive(to: &mut BytesMut) {
    to.put_u32(0);
}

fn encode_block(to: &mut BytesMut, id: u8, block: &Block) {
    head(to, 12, id);
    to.put_u32(block.chunk);
    to.put_u32(block.begin);
    to.put_u32(block.length);
}

/// `payload` is what we send: at most a block or a bitfield.
fn head(to: &mut BytesMut, payload: usize, id: u8) {
    to.put_u32(payload as u32 + 1);
    to.put_u8(id);
}

#[cfg(test)]
mod tests;
