//! Plain files without chunks.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bootwright_fetch::{
    Error, FileComplete, FileOptions, FileStore, HttpSource, Notice, Retries, fetch_file,
};
use bootwright_image::Digest;

use crate::server::{Answer, Server};
use crate::{client, content, retry};

async fn get(server: &Server, digest: Option<Digest>, out: &Path) -> Result<FileComplete, Error> {
    let source = HttpSource::new(client(), server.url("vmlinuz"), None);
    let store = Arc::new(FileStore::create(out).unwrap());
    let options =
        FileOptions { retry: retry(Retries::Finite(4)), stall: Duration::from_millis(400), limit: 10 << 20 };
    let mut observe = |_: Notice<'_>| ();
    let run = fetch_file(&source, digest, store, &options, &mut observe);
    tokio::time::timeout(Duration::from_secs(30), run).await.expect("it hangs")
}

/// Fetches from a server that answers so, with a digest and without; it must come out right.
async fn arrives(answers: &[Answer]) {
    let content = content(30);
    let right = Digest::of(&content);
    for digest in [Some(right), None] {
        let server = Server::start(&content, answers).await;
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("vmlinuz");
        let done = get(&server, digest, &out).await.unwrap();
        assert_eq!((done.size, done.digest), (content.len() as u64, right));
        assert!(std::fs::read(&out).unwrap() == content);
    }
}

#[tokio::test]
async fn a_file_arrives_whatever_goes_wrong_on_the_way() {
    arrives(&[Answer::Right]).await;
    arrives(&[Answer::Whole]).await;
    arrives(&[Answer::Endless]).await;
    arrives(&[Answer::Truncated(700_000), Answer::Reset(700_000), Answer::Stalled(5), Answer::Right]).await;
    arrives(&[Answer::Truncated(700_000), Answer::Whole]).await;
    arrives(&[Answer::Status(500, "X: y"), Answer::Redirect("/there"), Answer::Right]).await;
}

#[tokio::test]
async fn a_broken_transfer_goes_on_where_it_was() {
    let content = content(30);
    let server = Server::start(&content, &[Answer::Truncated(700_000), Answer::Right]).await;
    let dir = tempfile::tempdir().unwrap();
    get(&server, None, &dir.path().join("vmlinuz")).await.unwrap();
    let starts: Vec<_> = server.seen().iter().map(|seen| seen.range.clone().unwrap().start).collect();
    assert_eq!(starts, [0, 700_000]);
}

#[tokio::test]
async fn without_digest_and_etag_two_answers_are_never_put_together() {
    let content = content(30);
    let server = Server::start(&content, &[Answer::Whole, Answer::NoEtag]).await;
    let dir = tempfile::tempdir().unwrap();
    get(&server, None, &dir.path().join("vmlinuz")).await.unwrap();
    let cut = Server::start(&content, &[Answer::Endless, Answer::NoEtag]).await;
    get(&cut, None, &dir.path().join("vmlinuz")).await.unwrap();
    let answers = [Answer::Status(500, "X: y"), Answer::NoEtag];
    let failing = Server::start(&content, &answers).await;
    get(&failing, None, &dir.path().join("vmlinuz")).await.unwrap();
    assert!(failing.seen().iter().all(|seen| seen.range.clone().unwrap().start == 0));
}

#[tokio::test]
async fn a_file_that_changes_midway_starts_anew() {
    let content = content(30);
    let other: Vec<u8> = content.iter().map(|byte| byte ^ 0x55).collect();
    let server = Server::start(&content, &[Answer::Truncated(700_000), Answer::Other]).await;
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("vmlinuz");
    let done = get(&server, None, &out).await.unwrap();
    assert_eq!(done.digest, Digest::of(&other));
    assert!(std::fs::read(&out).unwrap() == other);
}

#[tokio::test]
async fn another_digest_is_refused_and_the_file_does_not_appear() {
    let content = content(3);
    let server = Server::start(&content, &[Answer::Flipped(5)]).await;
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("vmlinuz");
    let wanted = Digest::of(&content);
    let refused = get(&server, Some(wanted), &out).await;
    assert!(matches!(refused, Err(Error::Digest { expected, .. }) if expected == wanted));
    assert!(!out.exists());
}

#[tokio::test]
async fn what_an_earlier_attempt_left_is_used_and_thrown_away_when_it_was_wrong() {
    let content = content(30);
    let right = Digest::of(&content);
    let mut wrong = content[..300_000].to_vec();
    wrong[5] ^= 1;
    let too_long = [content.as_slice(), b"tail"].concat();
    for (part, starts) in [
        (&content[..300_000], &[300_000][..]),
        (&content, &[]),
        (&wrong, &[300_000, 0]),
        (&too_long, &[content.len() as u64 + 4, 0]),
    ] {
        let server = Server::start(&content, &[Answer::Right]).await;
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("vmlinuz");
        std::fs::write(dir.path().join("vmlinuz.part"), part).unwrap();
        get(&server, Some(right), &out).await.unwrap();
        assert!(std::fs::read(&out).unwrap() == content);
        let asked: Vec<_> = server.seen().iter().map(|seen| seen.range.clone().unwrap().start).collect();
        assert_eq!(asked, starts);
    }
}

#[tokio::test]
async fn a_file_that_is_too_large_is_refused_before_it_fills_the_store() {
    let content = content(200);
    for answer in [Answer::Right, Answer::Endless] {
        let server = Server::start(&content, &[answer]).await;
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("vmlinuz");
        assert!(matches!(get(&server, None, &out).await, Err(Error::TooLarge { .. })));
        let part = std::fs::metadata(dir.path().join("vmlinuz.part")).unwrap().len();
        assert!(part <= 10 << 20);
    }
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let server = Server::start(b"", &[Answer::Whole]).await;
    let dir = tempfile::tempdir().unwrap();
    let done = get(&server, Some(Digest::of(b"")), &dir.path().join("vmlinuz")).await.unwrap();
    assert_eq!(done.size, 0);
}
