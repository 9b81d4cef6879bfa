//! Heads of answers, right and wrong.

use hyper::Response;
use proptest::prelude::*;

use super::*;

const ETAG: &str = "\"v1\"";

fn head(status: u16, headers: &[(&'static str, &str)]) -> Parts {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(()).unwrap().into_parts().0
}

fn expect(range: Range<u64>) -> Expect {
    Expect { range, size: Some(1000), etag: None }
}

fn judge(range: Range<u64>, status: u16, headers: &[(&'static str, &str)]) -> Result<Plan, Cause> {
    interpret(&expect(range), &head(status, headers))
}

#[test]
fn a_right_part_is_taken_as_it_is() {
    let plan = judge(
        100..200,
        206,
        &[("content-range", "bytes 100-199/1000"), ("content-length", "100"), ("etag", ETAG)],
    );
    let expected = Plan {
        ranges: Ranges::Honoured,
        skip: 0,
        take: Some(100),
        size: Some(1000),
        etag: Some(ETAG.to_owned()),
    };
    assert_eq!(plan.unwrap(), expected);
}

#[test]
fn a_part_that_is_not_the_one_asked_for_is_refused() {
    for range in [
        "bytes 0-99/1000",
        "bytes 101-199/1000",
        "bytes 100-198/1000",
        "bytes 100-200/1000",
        "bytes 199-100/1000",
        "bytes 100-199/150",
        "bytes 100-18446744073709551615/*",
        "bytes */1000",
        "items 100-199/1000",
        "bytes -100/1000",
        "",
    ] {
        let refused = judge(100..200, 206, &[("content-range", range)]);
        assert!(matches!(refused, Err(Cause::Answer(_))), "{range:?}: {refused:?}");
    }
    assert!(matches!(judge(100..200, 206, &[]), Err(Cause::Answer(_))));
}

#[test]
fn a_part_with_another_length_than_it_says_is_refused() {
    let refused = judge(0..100, 206, &[("content-range", "bytes 0-99/1000"), ("content-length", "99")]);
    assert!(matches!(refused, Err(Cause::Answer(_))));
}

#[test]
fn another_size_is_another_file() {
    let part = judge(0..100, 206, &[("content-range", "bytes 0-99/999")]);
    assert!(matches!(part, Err(Cause::Size { wanted: 1000, found: 999 })));
    let whole = judge(0..100, 200, &[("content-length", "1001")]);
    assert!(matches!(whole, Err(Cause::Size { wanted: 1000, found: 1001 })));
    let beyond = judge(900..1000, 416, &[("content-range", "bytes */900")]);
    assert!(matches!(beyond, Err(Cause::Size { wanted: 1000, found: 900 })));
}

#[test]
fn a_whole_file_instead_of_a_part_is_read_past_its_beginning() {
    let plan = judge(100..200, 200, &[("content-length", "1000")]).unwrap();
    assert_eq!((plan.ranges, plan.skip, plan.take), (Ranges::Ignored, 100, Some(100)));
}

#[test]
fn a_changed_file_is_noticed_in_a_part_and_in_a_whole() {
    let expect = Expect { etag: Some(ETAG.to_owned()), ..expect(0..100) };
    let part = [("content-range", "bytes 0-99/1000"), ("etag", "\"v2\"")];
    assert!(matches!(interpret(&expect, &head(206, &part)), Err(Cause::Changed { .. })));
    assert!(matches!(interpret(&expect, &head(206, &part[..1])), Err(Cause::Changed { .. })));
    assert!(matches!(interpret(&expect, &head(200, &part[1..])), Err(Cause::Changed { .. })));
    let weak = [("content-range", "bytes 0-99/1000"), ("etag", "W/\"v1\"")];
    assert!(matches!(interpret(&expect, &head(206, &weak)), Err(Cause::Changed { .. })));
}

#[test]
fn a_weak_etag_is_none() {
    assert_eq!(strong_etag(&head(200, &[("etag", "W/\"v1\"")]).headers), None);
    assert_eq!(strong_etag(&head(200, &[("etag", ETAG)]).headers).as_deref(), Some(ETAG));
}

#[test]
fn compressed_bytes_are_not_the_file() {
    let headers = [("content-range", "bytes 0-99/1000"), ("content-encoding", "gzip")];
    assert!(matches!(judge(0..100, 206, &headers), Err(Cause::Answer(_))));
}

#[test]
fn an_open_end_takes_what_the_server_has() {
    let open = |start: u64| Expect { range: start..u64::MAX, size: None, etag: None };
    let part = interpret(&open(10), &head(206, &[("content-range", "bytes 10-99/100")])).unwrap();
    assert_eq!((part.take, part.size), (Some(90), Some(100)));
    let short = interpret(&open(10), &head(206, &[("content-range", "bytes 10-98/100")]));
    assert!(matches!(short, Err(Cause::Answer(_))));
    let whole = interpret(&open(10), &head(200, &[("content-length", "100")])).unwrap();
    assert_eq!((whole.skip, whole.take), (10, Some(90)));
    let unknown = interpret(&open(10), &head(200, &[])).unwrap();
    assert_eq!((unknown.skip, unknown.take, unknown.size), (10, None, None));
}

#[test]
fn retry_after_is_seconds_or_a_date_by_the_servers_clock() {
    let wait = |headers: &[(&'static str, &str)]| match judge(0..1, 503, headers) {
        Err(Cause::Status { status: 503, retry_after }) => retry_after,
        other => panic!("{other:?}"),
    };
    assert_eq!(wait(&[]), None);
    assert_eq!(wait(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
    assert_eq!(wait(&[("retry-after", "soon")]), None);
    let date = [("date", "Thu, 01 Jan 1970 00:00:10 GMT"), ("retry-after", "Thu, 01 Jan 1970 00:01:10 GMT")];
    assert_eq!(wait(&date), Some(Duration::from_secs(60)));
}

proptest! {
    #[test]
    fn any_head_gives_a_plan_that_stays_inside_the_range_or_an_error(
        status in prop_oneof![Just(200u16), Just(206), Just(416), 201u16..600],
        content_range in "bytes [0-9]{0,21}-[0-9]{0,21}/([0-9]{0,21}|\\*)|.{0,30}",
        length in "[0-9]{0,21}",
        start in 0u64..2000,
        end in prop_oneof![Just(u64::MAX), 2001u64..4000],
        size in proptest::option::of(0u64..5000),
    ) {
        let headers = [("content-range", content_range.as_str()), ("content-length", length.as_str())];
        let valid = headers.iter().all(|(_, value)| header::HeaderValue::from_str(value).is_ok());
        prop_assume!(valid);
        let expect = Expect { range: start..end, size, etag: None };
        if let Ok(plan) = interpret(&expect, &head(status, &headers)) {
            prop_assert!(plan.take.is_none_or(|take| take <= end - start));
            prop_assert!(plan.skip == 0 || plan.skip == start);
        }
    }
}
