//! Manifests into memory, reports to the server.

use bootwright_fetch::{Error, Retries, get_small, post_json};

use crate::server::{Answer, Server};
use crate::{client, retry};

async fn get(answers: &[Answer], limit: usize) -> Result<Vec<u8>, Error> {
    let server = Server::start(b"{\"schema\": 1}", answers).await;
    let retry = retry(Retries::Finite(3));
    let small = get_small(&client(), &server.url("image.json"), limit, retry, &mut |_| ()).await?;
    Ok(small.bytes.to_vec())
}

#[tokio::test]
async fn a_manifest_comes_whole_after_whatever_went_wrong() {
    let answers = [
        Answer::Closed,
        Answer::Truncated(3),
        Answer::Status(503, "Retry-After: 0"),
        Answer::Redirect("/other.json"),
        Answer::Right,
    ];
    assert_eq!(get(&answers, 100).await.unwrap(), b"{\"schema\": 1}");
    assert_eq!(get(&[Answer::Endless], 100).await.unwrap(), b"{\"schema\": 1}");
}

#[tokio::test]
async fn more_than_the_limit_is_refused_whether_it_is_announced_or_not() {
    for answer in [Answer::Right, Answer::Endless] {
        assert!(matches!(get(&[answer], 12).await, Err(Error::TooLarge { limit: 12, .. })));
    }
    assert!(get(&[Answer::Right], 13).await.is_ok());
}

#[tokio::test]
async fn a_stalled_manifest_is_asked_for_again_and_given_up_in_the_end() {
    let error = get(&[Answer::Stalled(3)], 100).await.unwrap_err();
    assert!(matches!(&error, Error::Transfer { attempts: 4, .. }), "{error}");
    assert!(bootwright_fetch::explain(&error).contains("byte 3"), "{error}");
}

#[tokio::test]
async fn siblings_are_relative_to_where_redirects_led() {
    let server = Server::start(b"x", &[Answer::Redirect("/images/worker/image.json"), Answer::Right]).await;
    let retry = retry(Retries::Finite(0));
    let small = get_small(&client(), &server.url("boot"), 10, retry, &mut |_| ()).await.unwrap();
    assert_eq!(small.url.join("root.json").unwrap(), server.url("images/worker/root.json"));
}

#[tokio::test]
async fn a_report_arrives_and_a_connection_is_kept() {
    let server = Server::start(b"", &[Answer::Closed, Answer::Status(204, "X: y")]).await;
    let (client, retry) = (client(), retry(Retries::Finite(1)));
    for body in ["{\"n\":1}", "{\"n\":2}"] {
        post_json(&client, &server.url("v1/report"), body.into(), retry, &mut |_| ()).await.unwrap();
    }
    let bodies: Vec<_> = server.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies, [&b"{\"n\":1}"[..], b"{\"n\":1}", b"{\"n\":2}"]);
}

#[tokio::test]
async fn a_report_that_is_refused_is_not_sent_again() {
    let server = Server::start(b"", &[Answer::Status(400, "X: y")]).await;
    let retry = retry(Retries::Infinite);
    let refused = post_json(&client(), &server.url("v1/report"), "{}".into(), retry, &mut |_| ()).await;
    assert!(matches!(refused, Err(Error::Transfer { attempts: 1, .. })));
}
