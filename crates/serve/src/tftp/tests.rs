use super::*;

use std::io::Write;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

struct Tree(Content);

impl Files for Tree {
    fn open(&self, path: &str, _: Ipv4Addr) -> Option<Content> {
        (path == "w/image.efi").then(|| self.0.clone())
    }
}

const LOCALHOST: Ipv4Addr = Ipv4Addr::LOCALHOST;

fn bytes(size: usize) -> Vec<u8> {
    (0..size).map(|index| (index as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

/// A server on any port of the loopback interface, and its events.
fn server(content: Content) -> (Running, u16, Receiver<Event>) {
    let socket = Socket::bind(LOCALHOST, 0).unwrap();
    let port = socket.address().unwrap().port();
    let (sender, receiver) = channel();
    let events: Events = Arc::new(move |event| {
        let _ = sender.send(event);
    });
    (start(socket, Arc::new(Tree(content)), Limits::default(), events).unwrap(), port, receiver)
}

fn file(bytes: &[u8]) -> Content {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"before").unwrap();
    file.write_all(bytes).unwrap();
    file.write_all(b"after").unwrap();
    Content::File { file: Arc::new(file), offset: 6, length: bytes.len() as u64 }
}

fn run(command: &mut Command, package: &str) {
    let output = command.output().unwrap_or_else(|error| panic!("install the package {package}: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn curl_gets_the_range_of_the_file_byte_for_byte() {
    // curl 7.88 takes an OACK with tsize 0 for an error: the empty file is for another client.
    for size in [1, 512, 100_000] {
        let (_server, port, events) = server(file(&bytes(size)));
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out");
        let url = format!("tftp://127.0.0.1:{port}/w/image.efi");
        run(Command::new("curl").args(["-sS", "-m", "20", "-o"]).arg(&out).arg(url), "curl");
        assert_eq!(std::fs::read(out).unwrap_or_default(), bytes(size));
        let ended = |event: Event| matches!(event.outcome, Outcome::Ended { end: End::Done, .. });
        assert!(
            events
                .recv_timeout(Duration::from_secs(5))
                .is_ok_and(|event| matches!(event.outcome, Outcome::Started { .. }))
        );
        assert!(events.recv_timeout(Duration::from_secs(5)).is_ok_and(ended));
    }
}

#[test]
fn atftp_gets_a_file_with_windows_past_the_roll_over_of_block_numbers() {
    let content = bytes(512 * 66_000 + 17);
    let (_server, port, _events) = server(Content::Bytes(content.clone().into()));
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let options = ["--option", "windowsize 16", "--option", "blksize 512", "-g", "-r", "w/image.efi", "-l"];
    let port = port.to_string();
    run(Command::new("atftp").args(options).arg(&out).args(["127.0.0.1", &port]), "atftp");
    assert_eq!(std::fs::read(out).unwrap(), content);
}

#[test]
fn tftp_hpa_gets_files_in_lock_step_an_empty_one_too() {
    for size in [0, 70_001] {
        let (_server, port, _events) = server(file(&bytes(size)));
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out");
        let port = port.to_string();
        let command = ["-m", "binary", "127.0.0.1", &port, "-c", "get", "w/image.efi"];
        run(Command::new("tftp").args(command).arg(&out), "tftp-hpa");
        assert_eq!(std::fs::read(out).unwrap(), bytes(size));
    }
}

fn ask(port: u16, request: &[u8]) -> Vec<u8> {
    let client = UdpSocket::bind((LOCALHOST, 0)).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    client.send_to(request, (LOCALHOST, port)).unwrap();
    let mut buffer = [0; 600];
    let (length, _) = client.recv_from(&mut buffer).unwrap();
    buffer[..length].to_vec()
}

#[test]
fn what_is_not_there_and_what_leads_out_is_an_error_in_words() {
    let (_server, port, events) = server(file(b"x"));
    assert_eq!(ask(port, b"\0\x01nothing\0octet\0"), b"\0\x05\0\x01no such file\0");
    assert!(matches!(events.recv().unwrap().outcome, Outcome::NotFound));
    assert_eq!(ask(port, b"\0\x01../w/image.efi\0octet\0")[..4], [0, 5, 0, 2]);
    assert_eq!(ask(port, b"\0\x02w/image.efi\0octet\0")[..4], [0, 5, 0, 2]);
}

#[test]
fn a_request_that_comes_twice_is_served_once() {
    let (_server, port, events) = server(file(&bytes(5000)));
    let client = UdpSocket::bind((LOCALHOST, 0)).unwrap();
    for _ in 0..3 {
        client.send_to(b"\0\x01w/image.efi\0octet\0", (LOCALHOST, port)).unwrap();
    }
    assert!(matches!(events.recv().unwrap().outcome, Outcome::Started { .. }));
    assert!(events.recv_timeout(Duration::from_millis(300)).is_err(), "one transfer only");
}

#[test]
fn a_file_that_became_shorter_ends_the_transfer_with_its_cause() {
    let short = Content::File { file: Arc::new(tempfile::tempfile().unwrap()), offset: 0, length: 1000 };
    let (_server, port, events) = server(short);
    let client = UdpSocket::bind((LOCALHOST, 0)).unwrap();
    client.send_to(b"\0\x01w/image.efi\0octet\0", (LOCALHOST, port)).unwrap();
    assert!(matches!(events.recv().unwrap().outcome, Outcome::Started { .. }));
    assert!(matches!(events.recv().unwrap().outcome, Outcome::Failed(_)));
}
