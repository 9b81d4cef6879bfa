//! A mirror that asks to be left alone, and what machines tell each other of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bootwright_fetch::swarm::wire::{Busy, Extended, Message, decode, encode_extended};
use bootwright_fetch::{
    FileStore, HttpSource, MirrorKey, Notice, Options, PeerOptions, Port, Source, fetch_with_peers,
};
use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use url::Url;

use crate::fleet::{Fleet, client};

/// Nothing that is to come takes so long.
const LONG: Duration = Duration::from_secs(60);

/// Beside a peer that gives nothing, a mirror is asked after a second.
const MOMENT: Duration = Duration::from_secs(3);

/// The number under which the peer of these tests takes words of busy mirrors.
const NUMBER: u8 = 9;

const HAVE_NONE: &[u8] = b"\0\0\0\x01\x0f";

/// A server that is too busy for everybody, and how often it was asked.
async fn busy_mirror() -> (Url, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/root.img", listener.local_addr().unwrap()).parse().unwrap();
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let answer = b"HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n";
            let _ = stream.write_all(answer).await;
        }
    });
    (url, asked)
}

/// A machine of the fleet that has nothing yet: it says `word` first, and tells what it hears.
async fn neighbour(word: Option<Busy>) -> (SocketAddr, mpsc::UnboundedReceiver<Busy>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, word, tell.clone()));
        }
    });
    (address, heard)
}

async fn talk(
    mut stream: TcpStream,
    word: Option<Busy>,
    tell: mpsc::UnboundedSender<Busy>,
) -> std::io::Result<()> {
    let mut hello = [0; 68];
    stream.read_exact(&mut hello).await?;
    hello[48..].copy_from_slice(b"-XX0000-neighbourxxx");
    stream.write_all(&hello).await?;
    stream.write_all(HAVE_NONE).await?;
    let mut told = BytesMut::new();
    encode_extended(0, &Extended { busy_id: Some(NUMBER), ..Extended::default() }.to_bytes(), &mut told);
    let mut received = BytesMut::new();
    loop {
        stream.write_all(&told.split()).await?;
        while let Ok(Some(message)) = decode(&mut received, 0) {
            match message {
                // It has said under which number it takes ours.
                Message::Extended(0, payload) => {
                    let number = Extended::read(&payload).ok().and_then(|theirs| theirs.busy_id);
                    if let (Some(number), Some(word)) = (number, word) {
                        encode_extended(number, &word.to_bytes(), &mut told);
                    }
                }
                Message::Extended(NUMBER, payload) => drop(tell.send(Busy::read(&payload).unwrap())),
                _ => {}
            }
        }
        if told.is_empty() && stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    }
}

/// A machine that has one mirror and one neighbour; what it tells of failures.
fn machine(fleet: &Fleet, mirror: &Url, neighbour: SocketAddr) -> mpsc::UnboundedReceiver<String> {
    let (tell, told) = mpsc::unbounded_channel();
    let own = Port::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let options = PeerOptions { peers: vec![neighbour], ..PeerOptions::new(own, client(), None) };
    let manifest = fleet.manifest.clone();
    let mirror: Arc<dyn Source> = Arc::new(HttpSource::new(client(), mirror.clone(), Some(manifest.size)));
    let path = fleet.directory.path().join(format!("{}.img", fastrand::u64(..)));
    tokio::spawn(async move {
        let store = Arc::new(FileStore::create(&path).unwrap());
        let mut observe = |notice: Notice<'_>| {
            if let Notice::Failed { failure, .. } = notice {
                let _ = tell.send(failure.explain());
            }
        };
        let how = Options::default();
        let _ = fetch_with_peers(&manifest, &[mirror], store, options, &how, &mut observe).await;
    });
    told
}

#[tokio::test]
async fn a_machine_that_is_told_to_come_back_later_tells_its_peers_and_asks_no_more() {
    let fleet = Fleet::new(1 << 20).await;
    let (mirror, asked) = busy_mirror().await;
    let (address, mut heard) = neighbour(None).await;
    let _told = machine(&fleet, &mirror, address);
    let word = timeout(LONG, heard.recv()).await.expect("it says nothing").unwrap();
    assert_eq!(Some(word.mirror), MirrorKey::of(&mirror));
    assert!((100..=120).contains(&word.wait.as_secs()), "{word:?}");
    tokio::time::sleep(MOMENT).await;
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_mirror_of_which_a_peer_says_that_it_is_busy_is_left_alone_and_no_other() {
    let fleet = Fleet::new(1 << 20).await;
    let (mirror, asked) = busy_mirror().await;
    let word = |url: &Url| Busy { mirror: MirrorKey::of(url).unwrap(), wait: Duration::from_secs(3600) };
    let (address, mut heard) = neighbour(Some(word(&mirror))).await;
    let mut told = machine(&fleet, &mirror, address);
    let first = timeout(LONG, told.recv()).await.expect("it says nothing").unwrap();
    assert!(first.contains("says that it asks to come back in 3600 s"), "{first}");
    assert!(first.contains(mirror.as_str()) && first.contains(&address.to_string()), "{first}");
    tokio::time::sleep(MOMENT).await;
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    // What it has only heard it does not tell.
    assert!(heard.try_recv().is_err());
    // The word is of another mirror: this one is asked.
    let other = "http://127.0.0.9/root.img".parse().unwrap();
    let (address, mut heard) = neighbour(Some(word(&other))).await;
    let _told = machine(&fleet, &mirror, address);
    timeout(LONG, heard.recv()).await.expect("the mirror was not asked").unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}
