//! Plain files from several mirrors at once.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bootwright_fetch::{
    Error, FileStore, HttpSource, Mirror, MixedComplete, Notice, Options, Retries, fetch_file_from,
};
use bootwright_image::Digest;

use crate::server::{Answer, Server};
use crate::{client, retry};

/// Sixteen parts.
const SIZE: usize = 4 << 20;
const LIMIT: u64 = 10 << 20;

fn content() -> Vec<u8> {
    let mut bytes = vec![0; SIZE];
    fastrand::Rng::with_seed(3).fill(&mut bytes);
    bytes
}

struct Came {
    result: Result<Option<MixedComplete>, Error>,
    told: Vec<String>,
}

impl Came {
    fn complete(self) -> (MixedComplete, Vec<String>) {
        let done = self.result.unwrap_or_else(|error| panic!("{error}: {:#?}", self.told));
        (done.unwrap_or_else(|| panic!("not mixed: {:#?}", self.told)), self.told)
    }
}

/// Fetches what has the digest of `content` from all of `servers`.
async fn get(servers: &[&Server], content: &[u8], out: &Path) -> Came {
    let client = client();
    let mirror = |server: &&Server| -> Arc<dyn Mirror> {
        Arc::new(HttpSource::new(client.clone(), server.url("a.iso"), None))
    };
    let mirrors: Vec<_> = servers.iter().map(mirror).collect();
    let store = Arc::new(FileStore::create(out).unwrap());
    let options = Options {
        retry: retry(Retries::Finite(4)),
        span: 512 << 10,
        stall: Duration::from_millis(400),
        ..Options::default()
    };
    let mut told = Vec::new();
    let mut observe = |notice: Notice<'_>| {
        if let Notice::Failed { failure, .. } = notice {
            told.push(failure.explain());
        }
    };
    let run = fetch_file_from(&mirrors, Digest::of(content), LIMIT, store, &options, &mut observe);
    let result = tokio::time::timeout(Duration::from_secs(30), run).await.expect("it hangs");
    Came { result, told }
}

/// An answer that takes a while.
const SLOWLY: Answer = Answer::Slow(64 << 10, 5);

#[tokio::test]
async fn parts_come_from_every_mirror_and_the_digest_of_the_whole_counts() {
    let content = content();
    let (first, second) =
        (Server::start(&content, &[SLOWLY]).await, Server::start(&content, &[SLOWLY]).await);
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("a.iso");
    let (done, _) = get(&[&first, &second], &content, &out).await.complete();
    assert_eq!((done.file.size, done.file.digest), (SIZE as u64, Digest::of(&content)));
    assert!(std::fs::read(&out).unwrap() == content);
    assert!(done.by_source.iter().all(|bytes| *bytes > SIZE as u64 / 8), "{done:?}");
    assert_eq!(done.by_source.iter().sum::<u64>(), SIZE as u64);
}

#[tokio::test]
async fn a_mirror_with_another_file_of_that_size_is_found_out_and_named() {
    let content = content();
    let wrong: Vec<u8> = content.iter().map(|byte| byte ^ 0x55).collect();
    let mut flipped = content.clone();
    flipped[SIZE / 2] ^= 1;
    for (liar, honest) in [(&wrong, SLOWLY), (&flipped, SLOWLY), (&wrong, Answer::Right)] {
        let liar = Server::start(liar, &[SLOWLY]).await;
        let honest = Server::start(&content, &[honest]).await;
        for servers in [[&liar, &honest], [&honest, &liar]] {
            let place = tempfile::tempdir().unwrap();
            let out = place.path().join("a.iso");
            let (_, told) = get(&servers, &content, &out).await.complete();
            assert!(std::fs::read(&out).unwrap() == content);
            let name = liar.url("a.iso").to_string();
            let blamed =
                |line: &&String| line.contains("part is another") || line.contains("the file is sha256");
            let blamed: Vec<_> = told.iter().filter(blamed).collect();
            assert!(blamed.iter().all(|line| line.starts_with(&name)), "{told:#?}");
        }
    }
}

#[tokio::test]
async fn when_all_mirrors_have_another_file_each_is_named_with_its_digest() {
    let content = content();
    let wrong: Vec<u8> = content.iter().map(|byte| byte ^ 0x55).collect();
    let servers = [Server::start(&wrong, &[SLOWLY]).await, Server::start(&wrong, &[SLOWLY]).await];
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("a.iso");
    let came = get(&[&servers[0], &servers[1]], &content, &out).await;
    let error = came.result.unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }));
    let text = bootwright_fetch::explain(&error);
    assert!(text.contains(&Digest::of(&wrong).to_string()), "{text}");
    assert!(servers.iter().all(|server| text.contains(server.url("a.iso").as_str())), "{text}");
    assert!(!out.exists());
}

#[tokio::test]
async fn who_states_another_size_is_left_out() {
    let content = content();
    let other = Server::start(&content[..SIZE - 5], &[SLOWLY]).await;
    let servers = [Server::start(&content, &[SLOWLY]).await, Server::start(&content, &[SLOWLY]).await];
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("a.iso");
    let (done, told) = get(&[&other, &servers[0], &servers[1]], &content, &out).await.complete();
    assert!(std::fs::read(&out).unwrap() == content);
    assert_eq!(done.by_source[0], 0);
    assert!(told.iter().any(|line| line.starts_with(other.url("a.iso").as_str())), "{told:#?}");
}

#[tokio::test]
async fn without_two_that_agree_and_send_parts_nothing_is_mixed() {
    let content = content();
    let right = Server::start(&content, &[Answer::Right]).await;
    let others = [
        Server::start(&content, &[Answer::Whole]).await,
        Server::start(&content, &[Answer::Status(404, "X: y")]).await,
        Server::start(&content[..9], &[Answer::Right]).await,
    ];
    for other in &others {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("a.iso");
        let came = get(&[&right, other], &content, &out).await;
        assert!(matches!(came.result, Ok(None)), "{:?}", came.result);
        assert_eq!(std::fs::metadata(place.path().join("a.iso.part")).unwrap().len(), 0);
    }
}

#[tokio::test]
async fn what_goes_wrong_with_one_is_done_by_the_other() {
    let content = content();
    let answers = [
        Answer::Truncated(70_000),
        Answer::Stalled(70_000),
        Answer::Reset(70_000),
        Answer::ContentRange("bytes 5-6/7"),
        Answer::Status(503, "Retry-After: 1"),
        Answer::Redirect("/there"),
        Answer::Closed,
    ];
    for answer in answers {
        let (bad, good) = (
            Server::start(&content, &[Answer::Right, answer]).await,
            Server::start(&content, &[SLOWLY]).await,
        );
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("a.iso");
        let (_, told) = get(&[&bad, &good], &content, &out).await.complete();
        assert!(std::fs::read(&out).unwrap() == content);
        assert!(told.iter().all(|line| line.contains(&bad.address.port().to_string())), "{told:#?}");
    }
}

#[tokio::test]
async fn what_an_earlier_attempt_left_is_kept_when_it_is_right_and_fetched_again_when_not() {
    let content = content();
    let half = SIZE / 2 + 100_000;
    let mut damaged = content[..half].to_vec();
    damaged[7] ^= 1;
    let mut holes = content.clone();
    holes[300_000..900_000].fill(0);
    let kept = SIZE as u64 / 2;
    for (left, least) in [(&content[..half], kept), (&content[..], SIZE as u64), (&damaged, 0), (&holes, 0)] {
        let servers = [Server::start(&content, &[SLOWLY]).await, Server::start(&content, &[SLOWLY]).await];
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("a.iso");
        std::fs::write(place.path().join("a.iso.part"), left).unwrap();
        let (done, _) = get(&[&servers[0], &servers[1]], &content, &out).await.complete();
        assert!(std::fs::read(&out).unwrap() == content);
        assert_eq!(done.kept, least);
    }
}

#[tokio::test]
async fn a_file_that_is_too_large_is_refused_before_the_first_part() {
    let content = vec![7; LIMIT as usize + 1];
    let servers = [Server::start(&content, &[SLOWLY]).await, Server::start(&content, &[SLOWLY]).await];
    let place = tempfile::tempdir().unwrap();
    let came = get(&[&servers[0], &servers[1]], &content, &place.path().join("a.iso")).await;
    assert!(matches!(came.result, Err(Error::TooLarge { .. })), "{:?}", came.result);
}
