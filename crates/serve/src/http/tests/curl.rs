use std::process::Stdio;

use super::*;
use crate::testing::{INITRD, uki};

/// Runs curl; what it prints. Its absence is a failure, not a reason to skip.
async fn curl(arguments: &[&str]) -> Vec<u8> {
    let output = tokio::process::Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "10"])
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    let output = output.await.expect("these tests need the package curl");
    assert!(output.status.success(), "curl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

async fn text(arguments: &[&str]) -> String {
    String::from_utf8(curl(arguments).await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_artifact_arrives_and_is_told_of() {
    let server = Running::start(Limits::default());
    assert_eq!(curl(&[&server.url("/images/worker_1/root.img")]).await, server.root);
    assert_eq!(*server.transfers.lock().unwrap(), ["1048576 /images/worker_1/root.img"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_and_sections_are_the_right_bytes() {
    let server = Running::start(Limits::default());
    let root = server.url("/images/worker_1/root.img");
    assert_eq!(curl(&["-r", "1000-70000", &root]).await, &server.root[1000..=70000]);
    assert_eq!(curl(&["-r", "-5", &root]).await, &server.root[server.root.len() - 5..]);
    let initrd = server.url("/images/worker_1/image.efi/initrd");
    assert_eq!(curl(&[&initrd]).await, INITRD);
    assert_eq!(curl(&["-r", "5-6", &initrd]).await, &INITRD[5..7]);
    let status =
        text(&["-r", "0-1,4-5", "-o", "/dev/null", "-w", "%{http_code} %{size_download}", &root]).await;
    assert_eq!(status, "200 1048576", "several ranges are answered with the whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn head_tells_what_firmware_wants_to_know() {
    let server = Running::start(Limits::default());
    let head = text(&["-I", &server.url("/images/worker_1/image.efi")]).await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    for field in [format!("Content-Length: {}", uki().len()), "Content-Type: application/efi".into()] {
        assert!(head.contains(&format!("{field}\r\n")), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_transfer_resumes_and_a_changed_file_does_not() {
    let server = Running::start(Limits::default());
    let root = server.url("/images/worker_1/root.img");
    let head = text(&["-I", &root]).await;
    let etag = head.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap();
    let status = async |field: &str, validator: &str| {
        let field = format!("{field}: {validator}");
        text(&["-r", "5-9", "-H", &field, "-o", "/dev/null", "-w", "%{http_code}", &root]).await
    };
    assert_eq!(status("If-Range", etag).await, "206");
    assert_eq!(status("If-Range", "\"other\"").await, "200");
    assert_eq!(status("If-Match", etag).await, "206");
    assert_eq!(status("If-Match", "\"other\"").await, "412");
    assert_eq!(status("If-None-Match", etag).await, "304");
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("root.img");
    std::fs::write(&file, &server.root[..300_000]).unwrap();
    curl(&["-C", "-", "-o", file.to_str().unwrap(), &root]).await;
    assert_eq!(std::fs::read(file).unwrap(), server.root);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_was_cut_short_is_an_error_of_the_server_and_not_half_an_answer() {
    let server = Running::start(Limits::default());
    let file = server.place.path().join("worker_1/root.img");
    std::fs::OpenOptions::new().write(true).open(file).unwrap().set_len(1000).unwrap();
    let root = server.url("/images/worker_1/root.img");
    let said = text(&["-w", "%{http_code}", &root]).await;
    assert!(said.starts_with("the file has 1000 bytes on the server's disk, 1048576 are needed"), "{said}");
    assert!(said.ends_with("500"), "{said}");
    assert_eq!(*server.transfers.lock().unwrap(), ["0 /images/worker_1/root.img"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_carries_many_requests() {
    let server = Running::start(Limits::default());
    let image = server.url("/images/worker_1/");
    let urls = [format!("{image}image.json"), format!("{image}absent"), format!("{image}root.img")];
    let mut arguments = vec!["-w", "%{num_connects} "];
    for url in &urls {
        arguments.extend(["-o", "/dev/null", url]);
    }
    assert_eq!(text(&arguments).await, "1 0 0 ");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_artifact_is_answered_by_the_router() {
    let server = Running::start(Limits::default());
    assert_eq!(text(&[&server.url("/")]).await, "the page");
    let body = "x".repeat(100_000);
    assert_eq!(text(&["--data-binary", &body, &server.url("/echo")]).await, body);
    let head = text(&["-i", &server.url("/")]).await.to_ascii_lowercase();
    assert!(head.contains("connection: close\r\n"), "{head}");
    let waits = text(&["-H", "Expect: 100-continue", "--data-binary", "abc", &server.url("/echo")]).await;
    assert_eq!(waits, "abc");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_clients_are_served_at_once() {
    let server = Running::start(Limits::default());
    let fetch = |n: u8| {
        let url = server.url("/images/worker_1/root.img?[1-125]");
        let from = format!("127.0.1.{n}");
        async move {
            let same = ["-Z", "--parallel-immediate", "--parallel-max", "125", "--interface", &from];
            let rest = ["-o", "/dev/null", "-w", "%{size_download}\n", &url];
            text(&[&same[..], &rest[..]].concat()).await
        }
    };
    let all = futures_util::future::join_all((1..=8).map(fetch)).await.concat();
    assert_eq!(all.lines().filter(|line| *line == "1048576").count(), 1000);
}
