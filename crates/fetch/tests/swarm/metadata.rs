//! Peers that give metadata no peer should give. Where an honest peer is among them, we have the right one.

use std::net::SocketAddr;
use std::time::Duration;

use bootwright_fetch::swarm::wire::{Extended, Message, Metadata, decode, encode_extended};
use bootwright_fetch::{Error, Notice, PeerOptions, Port, fetch_metadata};
use bootwright_image::torrent::{Info, InfoHash};
use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::fleet::client;

/// So long we hope in vain.
const HOPE: Duration = Duration::from_secs(3);

/// Nothing that is to come takes so long.
const LONG: Duration = Duration::from_secs(300);

/// What a peer does when it is asked for a piece.
#[derive(Clone, Copy, PartialEq)]
enum Lie {
    /// It answers as it should.
    None,
    /// It sends other bytes of the right length.
    Wrong,
    /// It says that it has 2 GiB of it.
    Huge,
    /// It sends a piece of another length.
    Short,
    /// It sends a piece that nobody asked for.
    Other,
    /// It refuses.
    Reject,
    /// It says nothing.
    Stall,
    /// It says over and over who it is.
    Flood,
}

/// A peer with this metadata; its address is one of its own, so that it can be banned alone.
async fn peer(number: u8, metadata: Vec<u8>, lie: Lie) -> SocketAddr {
    let listener = TcpListener::bind((std::net::Ipv4Addr::new(127, 0, 0, number), 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, metadata.clone(), lie));
        }
    });
    address
}

async fn talk(mut stream: TcpStream, metadata: Vec<u8>, lie: Lie) -> std::io::Result<()> {
    let mut hello = [0; 68];
    stream.read_exact(&mut hello).await?;
    hello[48..].copy_from_slice(b"-XX0000-liarliarliar");
    stream.write_all(&hello).await?;
    let size = if lie == Lie::Huge { 1 << 31 } else { metadata.len() as u32 };
    let ours = Extended { metadata_id: Some(7), metadata_size: Some(size), ..Extended::default() };
    let mut told = BytesMut::new();
    encode_extended(0, &ours.to_bytes(), &mut told);
    stream.write_all(&told).await?;
    let mut received = BytesMut::new();
    loop {
        while let Ok(Some(message)) = decode(&mut received, 0) {
            let Message::Extended(7, payload) = message else { continue };
            let Ok(Some(Metadata::Request(piece))) = Metadata::read(&payload) else { continue };
            let start = piece as usize * (16 << 10);
            let mut data = metadata[start..metadata.len().min(start + (16 << 10))].to_vec();
            let mut answer = BytesMut::new();
            match lie {
                Lie::Wrong => data.fill(b'x'),
                Lie::Short => data.truncate(1),
                _ => {}
            }
            let said = match lie {
                Lie::Other => Metadata::Data(piece + 1000, size, &data),
                Lie::Reject => Metadata::Reject(piece),
                _ => Metadata::Data(piece, size, &data),
            };
            // Our number for it is 1.
            encode_extended(1, &said.to_bytes(), &mut answer);
            match lie {
                Lie::Stall => {}
                Lie::Flood => loop {
                    stream.write_all(&told).await?;
                },
                _ => stream.write_all(&answer).await?,
            }
        }
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    }
}

/// Metadata of three pieces.
fn metadata() -> Vec<u8> {
    let count = 2000;
    let head = format!("d6:lengthi{}e4:name1:a12:piece lengthi16e6:pieces{}:", count * 16, count * 20);
    [head.as_bytes(), &vec![7; count * 20], b"e"].concat()
}

async fn ask(hash: InfoHash, addresses: Vec<SocketAddr>, hope: Duration) -> Result<Info, Error> {
    let port = Port::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let peers = PeerOptions { peers: addresses, ..PeerOptions::new(port, client(), None) };
    fetch_metadata(hash, &peers, hope, &mut |_| ()).await.map(|(info, _)| info)
}

/// Waits until a failure of `liar` is told that says this.
async fn told_of(hash: InfoHash, liar: SocketAddr, says: &str) {
    let port = Port::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let peers = PeerOptions { peers: vec![liar], ..PeerOptions::new(port, client(), None) };
    let told = tokio::sync::Notify::new();
    let mut observe = |notice: Notice<'_>| {
        if let Notice::Failed { failure, .. } = notice {
            let text = failure.explain();
            assert!(text.contains(says) && text.contains(&liar.to_string()), "{text}");
            told.notify_one();
        }
    };
    tokio::select! {
        found = fetch_metadata(hash, &peers, LONG, &mut observe) => panic!("{found:?}"),
        () = told.notified() => {}
    }
}

/// With only this liar it fails and is named; with an honest peer too we have the right one.
async fn lied_to(lie: Lie, says: &str) {
    let bytes = metadata();
    let hash = InfoHash::of(&bytes);
    let liar = peer(21, bytes.clone(), lie).await;
    if says.is_empty() {
        let error = ask(hash, vec![liar], HOPE).await.unwrap_err();
        assert!(error.to_string().contains(&hash.to_string()), "{error}");
    } else {
        told_of(hash, liar, says).await;
    }
    let honest = peer(22, bytes.clone(), Lie::None).await;
    assert_eq!(ask(hash, vec![liar, honest], LONG).await.unwrap().bytes(), bytes);
}

#[tokio::test]
async fn wrong_metadata_is_named_by_its_hash_and_its_sender_is_not_asked_again() {
    lied_to(Lie::Wrong, "another one").await;
}

#[tokio::test]
async fn oversize_metadata_is_refused_by_its_size_alone() {
    lied_to(Lie::Huge, "2147483648 bytes").await;
}

#[tokio::test]
async fn pieces_that_are_none_end_the_talk() {
    lied_to(Lie::Short, "that is none").await;
    lied_to(Lie::Other, "that is none").await;
}

#[tokio::test]
async fn who_refuses_or_says_nothing_holds_nobody_up() {
    lied_to(Lie::Reject, "does not give piece 0").await;
    lied_to(Lie::Stall, "").await;
    lied_to(Lie::Flood, "").await;
}

#[tokio::test]
async fn metadata_with_the_right_hash_that_claims_2_to_the_60_bytes_is_refused() {
    let bytes = format!(
        "d6:lengthi{}e4:name1:a12:piece lengthi67108864e6:pieces20:aaaaaaaaaaaaaaaaaaaae",
        1u64 << 60
    );
    let address = peer(23, bytes.clone().into_bytes(), Lie::None).await;
    let found = ask(InfoHash::of(bytes.as_bytes()), vec![address], LONG).await;
    let error = bootwright_fetch::explain(&found.unwrap_err());
    assert!(error.contains("1 pieces of 67108864 bytes for 1152921504606846976 bytes"), "{error}");
}
