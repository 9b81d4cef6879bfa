//! From a TCP connection to a peer: the handshake, both ways.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bootwright_image::torrent::InfoHash;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::link::broken;
use crate::error::Cause;
use crate::swarm::wire::{HANDSHAKE, Handshake, WireError};

/// How long a connection and a handshake may take, each.
const PATIENCE: Duration = Duration::from_secs(10);

/// A peer that has shaken hands.
pub(super) struct Greeted {
    pub(super) stream: TcpStream,
    pub(super) address: SocketAddr,
    pub(super) handshake: Handshake,
    pub(super) side: Side,
}

/// Who began a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Ours,
    Theirs,
}

/// Connects to a peer.
pub(super) async fn dial(address: SocketAddr, swarm: InfoHash, peer_id: [u8; 20]) -> Result<Greeted, Cause> {
    let refused = |error| Cause::Connect(vec![(address, error)]);
    let late = || io::Error::from(io::ErrorKind::TimedOut);
    let connected = timeout(PATIENCE, TcpStream::connect(address)).await;
    let mut stream = connected.map_err(|_| refused(late()))?.map_err(refused)?;
    let greeting = async {
        stream.write_all(&Handshake::new(swarm, peer_id).to_bytes()).await.map_err(broken)?;
        read(&mut stream).await
    };
    let handshake = timeout(PATIENCE, greeting).await.map_err(|_| Cause::Stalled(PATIENCE))??;
    if handshake.info_hash != swarm {
        return Err(Cause::Wire(WireError::Protocol));
    }
    Ok(Greeted { stream, address, handshake, side: Side::Ours })
}

/// Takes a peer's connection, if it asks for a swarm that is `known`.
pub(super) async fn answer(
    mut stream: TcpStream,
    address: SocketAddr,
    peer_id: [u8; 20],
    known: impl Fn(&InfoHash) -> bool,
) -> Result<Greeted, Cause> {
    let greeting = async {
        let theirs = read(&mut stream).await?;
        if !known(&theirs.info_hash) {
            return Err(Cause::Wire(WireError::Protocol));
        }
        stream.write_all(&Handshake::new(theirs.info_hash, peer_id).to_bytes()).await.map_err(broken)?;
        Ok(theirs)
    };
    let handshake = timeout(PATIENCE, greeting).await.map_err(|_| Cause::Stalled(PATIENCE))??;
    Ok(Greeted { stream, address, handshake, side: Side::Theirs })
}

async fn read(stream: &mut TcpStream) -> Result<Handshake, Cause> {
    let mut bytes = [0; HANDSHAKE];
    stream.read_exact(&mut bytes).await.map_err(broken)?;
    Handshake::read(&bytes).map_err(Cause::Wire)
}
