//! What an earlier attempt left is used when it is right, and the disk may be full.

use std::path::Path;
use std::process::Command;

use bootwright_fetch::{FileSource, FileStore, Options, fetch};

use crate::server::{Answer, Server};
use crate::{CHUNK, content, download};

async fn resumed(content: &[u8], part: &[u8]) -> (bootwright_fetch::Complete, u64) {
    let server = Server::start(content, &[Answer::Right]).await;
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("root.img");
    std::fs::write(dir.path().join("root.img.part"), part).unwrap();
    let complete = download(content, &[server.url("root.img")], &out).await.complete();
    assert!(std::fs::read(&out).unwrap() == content);
    let asked = server.seen().iter().map(|seen| seen.range.clone().unwrap()).map(|r| r.end - r.start).sum();
    (complete, asked)
}

#[tokio::test]
async fn chunks_that_are_there_are_not_asked_for_again() {
    let content = content(10);
    let (complete, asked) = resumed(&content, &content[..6 * CHUNK + 77]).await;
    assert_eq!(complete.progress.kept, 6 * CHUNK as u64);
    assert_eq!(asked, content.len() as u64 - 6 * CHUNK as u64);
}

#[tokio::test]
async fn a_damaged_part_is_found_and_only_its_chunk_fetched() {
    let content = content(10);
    let mut part = content.clone();
    part[3 * CHUNK + 5] ^= 0x80;
    // Where zeros belong, something else may lie.
    part[CHUNK + 5] = 1;
    part.extend_from_slice(b"and too long it is as well");
    let (complete, asked) = resumed(&content, &part).await;
    assert_eq!(complete.progress.kept, content.len() as u64 - CHUNK as u64);
    assert_eq!(asked, CHUNK as u64);
}

#[tokio::test]
async fn a_part_that_is_whole_needs_no_server() {
    let content = content(3);
    let (complete, asked) = resumed(&content, &content).await;
    assert_eq!((complete.progress.kept, asked), (content.len() as u64, 0));
}

#[tokio::test]
async fn a_part_of_rubbish_is_fetched_anew() {
    let content = content(3);
    let (complete, _) = resumed(&content, &vec![0xaa; content.len()]).await;
    assert_eq!(complete.progress.kept, CHUNK as u64);
}

#[tokio::test]
async fn a_download_that_was_given_up_leaves_what_it_had_for_the_next() {
    let content = content(10);
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("root.img");
    let bad = Server::start(&content, &[Answer::Flipped(9 * CHUNK as u64)]).await;
    download(&content, &[bad.url("root.img")], &out).await.error();
    let good = Server::start(&content, &[Answer::Right]).await;
    let complete = download(&content, &[good.url("root.img")], &out).await.complete();
    assert!(complete.progress.kept >= 8 * CHUNK as u64, "{complete:?}");
    assert!(std::fs::read(&out).unwrap() == content);
}

#[tokio::test]
async fn a_local_file_is_a_source_like_any_other() {
    let content = content(10);
    let dir = tempfile::tempdir().unwrap();
    let old = dir.path().join("old.img");
    std::fs::write(&old, &content).unwrap();
    let source = std::sync::Arc::new(FileSource::open(&old).unwrap());
    let out = dir.path().join("root.img");
    let store = std::sync::Arc::new(FileStore::create(&out).unwrap());
    let manifest = crate::manifest(&content);
    fetch(&manifest, &[source], store, &Options::default(), &mut |_| ()).await.unwrap();
    assert!(std::fs::read(&out).unwrap() == content);
}

/// The test below runs this one again, in a namespace of its own with a tmpfs of 256 KiB at `FULL_DISK`.
#[tokio::test]
async fn into_a_full_disk() {
    let Some(disk) = std::env::var_os("FULL_DISK") else { return };
    let content = content(10);
    let server = Server::start(&content, &[Answer::Right]).await;
    let out = Path::new(&disk).join("root.img");
    let error = download(&content, &[server.url("root.img")], &out).await.error();
    assert!(error.contains("storing") && error.contains("No space left on device"), "{error}");
    assert!(!out.exists());
    println!("the disk was full");
}

#[test]
fn a_full_disk_ends_the_download_with_what_the_system_said() {
    let dir = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size=256k none "$FULL_DISK" && exec "$0" --exact "$1" --nocapture"#;
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .arg("resume::into_a_full_disk")
        .env("FULL_DISK", dir.path())
        .output()
        .expect("this test needs unshare (package util-linux)");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("the disk was full"), "{said}\n{complained}");
}
