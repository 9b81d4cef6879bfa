use std::time::{Duration, Instant};

use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::http::send::send_part;
use crate::images::Body;

/// Sends `bytes` in pieces of `piece` bytes, then reads until the server closes.
async fn exchange(address: SocketAddr, bytes: &[u8], piece: usize) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    for piece in bytes.chunks(piece) {
        // The server may have refused and closed already.
        if stream.write_all(piece).await.is_err() {
            break;
        }
    }
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(15), stream.read_to_end(&mut answer)).await.unwrap();
    answer
}

fn statuses(answer: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(answer);
    text.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.get(..3)).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_order() {
    let server = Running::start(Limits::default());
    let one =
        |file: &str, rest: &str| format!("GET /images/worker_1/{file} HTTP/1.1\r\nHost: a\r\n{rest}\r\n");
    let text = one("root.img", "Range: bytes=0-0\r\n")
        + &one("x", "")
        + &one("image.efi/linux", "Connection: close\r\n");
    for piece in [text.len(), 7, 1] {
        let answer = exchange(server.address, text.as_bytes(), piece).await;
        assert_eq!(statuses(&answer), ["206", "404", "200"], "in pieces of {piece}");
        assert!(answer.ends_with(crate::testing::LINUX));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_never_ends_is_cut_off() {
    let server = Running::start(Limits::default());
    let endless = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "y".repeat(1 << 20));
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let _ = stream.write_all(endless.as_bytes()).await;
    let mut answer = [0; 12];
    // The answer may be lost to the reset that unread bytes cause; what counts is that it ends.
    let ended = tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut answer)).await.unwrap();
    assert!(ended.is_err() || &answer == b"HTTP/1.1 431");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_trickles_its_head_loses_its_place() {
    let server = Running::start(Limits { connections: 1, per_address: 1 });
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(b"GET / HT").await.unwrap();
    let begun = Instant::now();
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).await.unwrap();
    assert_eq!(statuses(&answer), ["408"]);
    assert!(begun.elapsed() < Duration::from_secs(12));
    let next = b"GET /images/worker_1/image.efi/linux HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(statuses(&exchange(server.address, next, 1000).await), ["200"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_does_not_take_every_place() {
    let server = Running::start(Limits { connections: 100, per_address: 2 });
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"GET").await.unwrap();
        held.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut third = TcpStream::connect(server.address).await.unwrap();
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(5), third.read_to_end(&mut answer)).await.unwrap();
    assert!(closed.is_err() || answer.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn traversal_leads_nowhere() {
    let server = Running::start(Limits::default());
    for target in [
        "/images/worker_1/../../../../etc/passwd",
        "/images/worker_1/%2e%2e/%2e%2e/etc/passwd",
        "/images/%2fetc/passwd",
        "/images/worker_1/image.efi%00",
        "/images//etc/passwd",
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = exchange(server.address, request.as_bytes(), 1000).await;
        assert_eq!(statuses(&answer), ["404"], "{target}");
    }
}

#[tokio::test]
async fn a_file_that_shrinks_in_mid_transfer_ends_it_with_the_bytes_that_went_out() {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, &[7; 1000]).unwrap();
    let length = 1 << 20;
    let body = Body::File { file: Arc::new(file), offset: 0, length };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let mut sent = 0;
    let error = send_part(&stream, &body, 0..length, &mut sent).await.unwrap_err();
    assert_eq!((error.kind(), sent), (std::io::ErrorKind::UnexpectedEof, 1000));
}

#[test]
fn no_bytes_bring_the_server_down() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let server = runtime.block_on(async { Running::start(Limits::default()) });
    let line = "(GET|HEAD|POST|PUT|[A-Z]{1,9}) /[ -~]{0,40} HTTP/1.[01]\r\n";
    let field =
        "(Host|Range|If-Range|If-Match|Content-Length|Transfer-Encoding|Connection|Expect): [ -~]{0,30}\r\n";
    let requests = (line, proptest::collection::vec(field, 0..6), "(\r\n|\n|[ -~]{0,9})")
        .prop_map(|(line, fields, end)| (line + &fields.concat() + &end).into_bytes());
    let noise = proptest::collection::vec(any::<u8>(), 0..400);
    proptest!(ProptestConfig::with_cases(200), |(bytes in prop_oneof![requests, noise], piece in 1usize..400)| {
        runtime.block_on(exchange(server.address, &bytes, piece));
        let good = b"GET /images/worker_1/image.efi/linux HTTP/1.0\r\n\r\n";
        prop_assert_eq!(statuses(&runtime.block_on(exchange(server.address, good, 1000))), ["200"]);
    });
}
