//! A root in chunks: every fault of a server ends in the right bytes or in an error that names it.

use std::time::{Duration, Instant};

use bootwright_fetch::Retries;

use crate::server::{Answer, Server};
use crate::{CHUNK, attempt, content, download};

/// Fetches from a server that answers so; the file must come out right. Gives what was told on the way.
async fn arrives(answers: &[Answer]) -> crate::Outcome {
    let content = content(10);
    let server = Server::start(&content, answers).await;
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("root.img");
    let outcome = download(&content, &[server.url("root.img")], &out).await;
    assert!(outcome.result.is_ok(), "{:?}, told: {:#?}", outcome.result, outcome.told);
    assert!(std::fs::read(&out).unwrap() == content);
    outcome
}

/// Fetches from a server that answers so; it must fail, and nothing may lie under the file's name.
async fn fails(answers: &[Answer]) -> String {
    let content = content(10);
    let server = Server::start(&content, answers).await;
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("root.img");
    let error = download(&content, &[server.url("root.img")], &out).await.error();
    assert!(!out.exists());
    assert!(error.contains(server.url("root.img").as_str()), "{error}");
    error
}

#[tokio::test]
async fn a_right_server_is_asked_for_each_byte_once_and_not_for_zeros() {
    let content = content(10);
    let server = Server::start(&content, &[Answer::Right]).await;
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("root.img");
    let complete = download(&content, &[server.url("root.img")], &out).await.complete();
    assert!(std::fs::read(&out).unwrap() == content);
    assert_eq!(complete.progress.kept, CHUNK as u64);
    assert_eq!(complete.by_source, [(content.len() - CHUNK) as u64]);
    let mut asked: Vec<_> = server.seen().into_iter().map(|seen| seen.range.unwrap()).collect();
    asked.sort_by_key(|range| range.start);
    let chunk = CHUNK as u64;
    let expected = [0..chunk, 2 * chunk..6 * chunk, 6 * chunk..10 * chunk, 10 * chunk..content.len() as u64];
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn a_server_that_truncates_is_asked_for_the_rest() {
    let outcome = arrives(&[Answer::Truncated(100), Answer::Truncated(3 * CHUNK), Answer::Right]).await;
    assert!(outcome.tells(&["ended", "early", "byte 100", "127.0.0.1:"]), "{:#?}", outcome.told);
}

#[tokio::test]
async fn a_server_that_resets_is_asked_again() {
    let outcome = arrives(&[Answer::Reset(100), Answer::Reset(CHUNK + 5), Answer::Right]).await;
    assert!(outcome.tells(&["reset", "os error 104"]), "{:#?}", outcome.told);
}

#[tokio::test]
async fn a_server_that_stalls_is_left_and_asked_again() {
    let outcome = arrives(&[Answer::Stalled(100), Answer::Right]).await;
    assert!(outcome.tells(&["no byte for 0.4 s", "byte 100"]), "{:#?}", outcome.told);
}

#[tokio::test]
async fn a_slow_server_is_not_given_up_as_long_as_it_lives() {
    let started = Instant::now();
    let outcome = arrives(&[Answer::Slow(CHUNK / 8, 40)]).await;
    // Each request takes longer than the stall time-out.
    assert!(started.elapsed() > Duration::from_millis(1000));
    assert!(outcome.told.is_empty(), "{:#?}", outcome.told);
}

#[tokio::test]
async fn a_server_that_closes_without_a_word_is_asked_again() {
    arrives(&[Answer::Closed, Answer::Right]).await;
}

#[tokio::test]
async fn a_server_that_ignores_ranges_is_read_from_the_start() {
    arrives(&[Answer::Whole]).await;
    arrives(&[Answer::Endless]).await;
    arrives(&[Answer::Right, Answer::Whole, Answer::Right]).await;
}

#[tokio::test]
async fn a_wrong_content_range_is_never_stored() {
    let wrong = Answer::ContentRange("bytes 1-65536/656594");
    let outcome = arrives(&[wrong.clone(), Answer::Right]).await;
    assert!(outcome.tells(&["Content-Range", "another first byte"]), "{:#?}", outcome.told);
    let error = fails(&[wrong]).await;
    assert!(error.contains("0 of 656594 bytes") || error.contains("65536 of 656594 bytes"), "{error}");
}

#[tokio::test]
async fn a_server_with_a_file_of_another_size_is_refused_at_once() {
    let error = fails(&[Answer::ContentRange("bytes 0-65535/65536")]).await;
    assert!(error.contains("the file has 65536 bytes there, wanted are 656594"), "{error}");
}

#[tokio::test]
async fn bytes_behind_the_answer_are_left() {
    arrives(&[Answer::TooMuch]).await;
}

#[tokio::test]
async fn error_statuses_are_told_and_those_of_the_client_not_repeated() {
    for (status, attempts) in [(404, 1), (403, 1), (410, 1), (500, 5), (502, 5), (429, 5)] {
        let content = content(2);
        let server = Server::start(&content, &[Answer::Status(status, "X: y")]).await;
        let dir = tempfile::tempdir().unwrap();
        let url = server.url("root.img");
        let error = download(&content, &[url], &dir.path().join("root.img")).await.error();
        assert!(error.contains(&format!("HTTP status {status}")), "{error}");
        assert_eq!(server.seen().len(), attempts, "{status}");
    }
}

#[tokio::test]
async fn a_busy_server_is_left_alone_as_long_as_it_asks() {
    let started = Instant::now();
    let outcome = arrives(&[Answer::Status(503, "Retry-After: 1"), Answer::Right]).await;
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert!(outcome.tells(&["HTTP status 503, asks to come back in 1 s"]), "{:#?}", outcome.told);
}

#[tokio::test]
async fn a_range_that_is_not_there_is_told_with_the_size_that_is() {
    let error = fails(&[Answer::Status(416, "Content-Range: bytes */5")]).await;
    assert!(error.contains("the file has 5 bytes there"), "{error}");
}

#[tokio::test]
async fn redirects_are_followed_and_circles_are_not() {
    let outcome = arrives(&[Answer::Redirect("/elsewhere"), Answer::Right]).await;
    assert!(outcome.told.is_empty());
    let error = fails(&[Answer::Redirect("/a"), Answer::Redirect("/root.img")]).await;
    assert!(error.contains("it leads in a circle"), "{error}");
}

#[tokio::test]
async fn what_is_not_http_is_told_as_such() {
    for garbage in [&b"SSH-2.0-OpenSSH_9.9\r\n\r\n"[..], b"HTTP/1.1 2000 What\r\n\r\n", b"\0\0\0\0"] {
        fails(&[Answer::Raw(garbage)]).await;
    }
}

#[tokio::test]
async fn one_flipped_byte_is_found_named_and_never_stored() {
    let at = 5 * CHUNK as u64 + 17;
    let content = content(10);
    let server = Server::start(&content, &[Answer::Flipped(at)]).await;
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("root.img");
    let error = download(&content, &[server.url("root.img")], &out).await.error();
    let mut flipped = content[5 * CHUNK..6 * CHUNK].to_vec();
    let right = bootwright_image::Digest::of(&flipped).to_string();
    flipped[17] ^= 1;
    let wrong = bootwright_image::Digest::of(&flipped).to_string();
    for word in ["chunk 5", "bytes 327680 to 393216", &right, &wrong, "/root.img at 127.0.0.1:"] {
        assert!(error.contains(word), "{word} is not in {error}");
    }
    assert_eq!(server.seen().iter().filter(|seen| seen.range.as_ref().unwrap().contains(&at)).count(), 3);
    assert!(!out.exists());
    let part = std::fs::read(dir.path().join("root.img.part")).unwrap();
    assert!(part[5 * CHUNK..6 * CHUNK].iter().all(|byte| *byte == 0));
}

#[tokio::test]
async fn a_byte_that_is_flipped_only_once_costs_one_chunk() {
    let at = 2 * CHUNK as u64;
    let outcome = arrives(&[Answer::Right, Answer::Flipped(at), Answer::Right]).await;
    assert!(outcome.tells(&["chunk 2"]));
    assert_eq!(outcome.complete().refused, 1);
}

#[tokio::test]
async fn a_file_that_changes_midway_is_noticed_and_its_bytes_are_not_taken() {
    let outcome = arrives(&[Answer::Right, Answer::Other, Answer::Right]).await;
    assert!(outcome.tells(&["the file changed", "\"v1\"", "\"v2\""]), "{:#?}", outcome.told);
    let error = fails(&[Answer::Right, Answer::Other]).await;
    assert!(error.contains("is damaged at every source"), "{error}");
}

#[tokio::test]
async fn nobody_listening_is_told_with_the_address_and_the_errno() {
    let content = content(2);
    let mut server = Server::start(&content, &[Answer::Right]).await;
    server.kill();
    tokio::task::yield_now().await;
    let dir = tempfile::tempdir().unwrap();
    let error = download(&content, &[server.url("root.img")], &dir.path().join("root.img")).await.error();
    let refused = format!("{}: Connection refused (os error 111)", server.address);
    assert!(error.contains(&refused), "{error}");
}

#[tokio::test]
async fn a_server_that_is_killed_in_mid_download_and_comes_back_finishes_it() {
    let content = content(40);
    let mut server = Server::start(&content, &[Answer::Slow(CHUNK, 10)]).await;
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("root.img");
    let url = [server.url("root.img")];
    // How long the server is away depends on how busy this host is.
    let fetching = attempt(&content, &url, &out, Retries::Infinite);
    let interfering = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        server.kill();
        tokio::time::sleep(Duration::from_millis(60)).await;
        server.revive().await;
        server
    };
    let (outcome, server) = tokio::join!(fetching, interfering);
    assert!(!outcome.told.is_empty(), "the server was killed too late");
    outcome.complete();
    assert!(std::fs::read(&out).unwrap() == content);
    // What had arrived was not asked for again, but for the chunks under way.
    let sent: u64 =
        server.seen().iter().map(|seen| seen.range.clone().unwrap()).map(|r| r.end - r.start).sum();
    assert!(sent < content.len() as u64 * 3 / 2, "{sent}");
}

#[tokio::test]
async fn another_mirror_makes_up_for_one_that_damages_everything() {
    let content = content(40);
    let bad = Server::start(&content, &[Answer::Other]).await;
    let good = Server::start(&content, &[Answer::Right]).await;
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("root.img");
    let outcome = download(&content, &[bad.url("root.img"), good.url("root.img")], &out).await;
    assert!(outcome.tells(&["chunk", bad.url("root.img").as_str()]), "{:#?}", outcome.told);
    assert!(std::fs::read(&out).unwrap() == content);
    let complete = outcome.complete();
    assert_eq!(complete.by_source[0], 0);
    assert_eq!(complete.by_source[1], (content.len() - CHUNK) as u64);
}

#[tokio::test]
async fn two_mirrors_share_the_work() {
    let content = content(40);
    let one = Server::start(&content, &[Answer::Slow(CHUNK, 5)]).await;
    let two = Server::start(&content, &[Answer::Slow(CHUNK, 5)]).await;
    let dir = tempfile::tempdir().unwrap();
    let urls = [one.url("root.img"), two.url("root.img")];
    let complete = download(&content, &urls, &dir.path().join("root.img")).await.complete();
    assert!(complete.by_source.iter().all(|bytes| *bytes > content.len() as u64 / 4), "{complete:?}");
}
