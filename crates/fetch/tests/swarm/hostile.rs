//! Peers that do everything a peer should not. The machine gets the image from a slow origin beside them, and
//! says who did what.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::fleet::{Fleet, Machine};

const SIZE: usize = 2 << 20;

/// So slow that a liar is asked too.
const RATE: u64 = 1 << 20;

const UNCHOKE: &[u8] = b"\0\0\0\x01\x01";
const HAVE_ALL: &[u8] = b"\0\0\0\x01\x0e";

/// What a liar does after the handshake.
#[derive(Clone, Copy)]
pub enum Lie {
    /// It answers each request with other bytes.
    Damage,
    /// It answers none.
    Stall,
    /// It announces a message of 2 GiB.
    Huge,
    /// It says the same for ever.
    Flood,
    /// It has a chunk that the file has not.
    Have,
    /// Its bitfield has bits past the last chunk.
    Bitfield,
    /// It sends blocks that nobody asked for.
    Unasked,
    /// It sends one byte now and then.
    Slow,
    /// It asks for what does not exist.
    Request,
}

/// A fleet with one liar, and a machine of it that has the image.
async fn among_liars(lie: Lie) -> (Fleet, Machine) {
    let fleet = Fleet::slow(SIZE, RATE).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    fleet.tracker.add(listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(tell(stream, lie));
        }
    });
    let machine = fleet.start().await.unwrap();
    (fleet, machine)
}

/// Shakes hands and lies until it is cut off.
pub async fn tell(mut stream: TcpStream, lie: Lie) -> std::io::Result<()> {
    let mut hello = [0; 68];
    stream.read_exact(&mut hello).await?;
    // The same swarm and extensions, another identity.
    hello[48..].copy_from_slice(b"-XX0000-liarliarliar");
    if matches!(lie, Lie::Slow) {
        for byte in hello {
            stream.write_all(&[byte]).await?;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
    stream.write_all(&hello).await?;
    stream.write_all(HAVE_ALL).await?;
    stream.write_all(UNCHOKE).await?;
    let mut sink = vec![0; 1 << 16];
    match lie {
        Lie::Damage => return damage(stream).await,
        Lie::Huge => stream.write_all(b"\x7f\xff\xff\xff\x07").await?,
        Lie::Have => stream.write_all(b"\0\0\0\x05\x04\x7f\0\0\0").await?,
        Lie::Bitfield => {
            stream.write_all(b"\0\0\0\x05\x05\xff\xff\xff\xff\0\0\0\x06\x05\xff\xff\xff\xff\xff").await?;
        }
        Lie::Request => stream.write_all(b"\0\0\0\x0d\x06\0\0\0\0\xff\xff\xff\xff\0\0\x40\0").await?,
        Lie::Unasked => {
            let block = [b"\0\0\x40\x09\x07\0\0\0\0\0\0\0\0".as_slice(), &[7; 0x4000]].concat();
            for _ in 0..2000 {
                stream.write_all(&block).await?;
            }
        }
        Lie::Flood => loop {
            stream.write_all(&b"\0\0\0\x05\x04\0\0\0\0".repeat(1000)).await?;
        },
        Lie::Stall | Lie::Slow => {}
    }
    while stream.read(&mut sink).await? > 0 {}
    Ok(())
}

/// Answers requests with bytes of its own.
async fn damage(mut stream: TcpStream) -> std::io::Result<()> {
    loop {
        let length = stream.read_u32().await? as usize;
        let mut message = vec![0; length];
        stream.read_exact(&mut message).await?;
        if message.first() == Some(&6) {
            stream.write_u32(9 + 0x4000).await?;
            stream.write_all(&[&[7], &message[1..9], &[7; 0x4000]].concat()).await?;
        }
    }
}

fn tells(machine: &Machine, of: &str) -> bool {
    machine.told.iter().any(|told| told.contains(of))
}

#[tokio::test]
async fn damaged_chunks_are_refused_and_their_sender_is_dropped_and_named() {
    let (_fleet, machine) = among_liars(Lie::Damage).await;
    assert!(machine.complete.refused > 0);
    assert!(tells(&machine, "the manifest says") && tells(&machine, "damaged chunks"), "{:#?}", machine.told);
    let blamed: Vec<_> = machine.complete.by_peer.iter().filter(|peer| peer.refused > 0).collect();
    assert_eq!(blamed.len(), 1, "{blamed:#?}");
    assert_eq!(blamed[0].received, 0);
}

#[tokio::test]
async fn who_promises_everything_and_sends_nothing_holds_nobody_up() {
    let begun = std::time::Instant::now();
    let (_fleet, _machine) = among_liars(Lie::Stall).await;
    // Two seconds is what the origin takes; what was asked of the liar moves when somebody is free.
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_huge_frame_is_refused_before_it_is_read() {
    let (_fleet, machine) = among_liars(Lie::Huge).await;
    assert!(tells(&machine, "2147483647 bytes"), "{:#?}", machine.told);
}

#[tokio::test]
async fn a_flood_of_words_ends_the_connection() {
    let (_fleet, machine) = among_liars(Lie::Flood).await;
    assert!(tells(&machine, "without use"), "{:#?}", machine.told);
}

#[tokio::test]
async fn a_flood_of_blocks_that_nobody_asked_for_is_thrown_away() {
    let (_fleet, machine) = among_liars(Lie::Unasked).await;
    assert_eq!(machine.complete.refused, 0);
}

#[tokio::test]
async fn lies_about_chunks_that_do_not_exist_end_the_connection() {
    for lie in [Lie::Have, Lie::Bitfield, Lie::Request] {
        let (_fleet, machine) = among_liars(lie).await;
        assert!(tells(&machine, "peer 127.0.0.1"), "{:#?}", machine.told);
    }
}

#[tokio::test]
async fn a_handshake_that_never_ends_holds_nobody_up() {
    let (_fleet, machine) = among_liars(Lie::Slow).await;
    assert_eq!(machine.complete.progress.from_peers, SIZE as u64);
}
