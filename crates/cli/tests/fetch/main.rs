//! `bootwright fetch` as a script runs it: exit status, files, lines, JSON.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

mod ftp;
mod served;
mod tls;
mod torrents;
mod web;

use std::path::Path;
use std::process::{Command, Output};

use bootwright_image::Digest;
use serde_json::Value;
use web::{Page, Web};

const NOT_FOUND: (u16, &str) = (404, "<html>not here</html>");

/// Bytes that are not zeros and do not repeat.
fn content(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

fn fetch(place: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bootwright"));
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    // Nobody on the network of the test is looked for.
    command.args(["fetch", "--peers", "off"]).args(arguments).current_dir(place).output().unwrap()
}

fn text(output: &Output) -> String {
    // Told in lines that break anywhere.
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&text).replace("\n  │ ", " ")
}

fn json(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", text(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn file(bytes: &[u8]) -> Page {
    Page::File(bytes.to_vec())
}

#[test]
fn checksums_beside_a_file_are_found_and_used() {
    let place = tempfile::tempdir().unwrap();
    let bytes = content(1, 300_000);
    let sums = format!("{}  other.iso\n{} *a.iso\n", Digest::of(b"").hex(), Digest::of(&bytes).hex());
    let web = Web::start(&[("/d/a.iso", file(&bytes)), ("/d/SHA256SUMS", file(sums.as_bytes()))], NOT_FOUND);
    let done = json(&fetch(place.path(), &[&web.url("/d/a.iso"), "--json", "--done-file", "done"]));
    assert_eq!(done["verified"]["by"], "sums");
    assert_eq!(done["verified"]["at"], web.url("/d/SHA256SUMS"));
    assert_eq!((&done["complete"], &done["size"]), (&Value::Bool(true), &Value::from(300_000)));
    assert_eq!(std::fs::read(place.path().join("a.iso")).unwrap(), bytes);
    assert!(place.path().join("done").exists());
}

#[test]
fn a_page_of_html_is_no_file_of_checksums() {
    let place = tempfile::tempdir().unwrap();
    let bytes = content(1, 1000);
    let web = Web::start(&[("/a.iso", file(&bytes))], (200, "<html>we found nothing</html>"));
    let output = fetch(place.path(), &[&web.url("/a.iso")]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(
        text(&output).contains("a.iso.sha256 is no file of checksums (line 1): not used"),
        "{}",
        text(&output)
    );
    assert!(text(&output).contains("NOT verified"), "{}", text(&output));
}

#[test]
fn a_file_with_another_digest_never_appears() {
    let place = tempfile::tempdir().unwrap();
    let sums = format!("{}\n", Digest::of(b"something else").hex());
    let web = Web::start(
        &[("/a.iso", file(&content(1, 1000))), ("/a.iso.sha256", file(sums.as_bytes()))],
        NOT_FOUND,
    );
    std::fs::write(place.path().join("done"), "of an earlier run").unwrap();
    let output = fetch(place.path(), &[&web.url("/a.iso"), "--done-file", "done"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains(&Digest::of(b"something else").to_string()), "{}", text(&output));
    assert!(!place.path().join("a.iso").exists() && !place.path().join("done").exists());
}

#[test]
fn the_parts_of_a_file_come_from_every_mirror_when_a_digest_judges_the_whole() {
    let place = tempfile::tempdir().unwrap();
    let bytes = content(5, 8 << 20);
    let sums = format!("{}  a.iso\n", Digest::of(&bytes).hex());
    let first = Web::start(&[("/a.iso", file(&bytes)), ("/SHA256SUMS", file(sums.as_bytes()))], NOT_FOUND);
    let second = Web::start(&[("/d/a.iso", file(&bytes))], NOT_FOUND);
    let arguments = [&first.url("/a.iso"), "--mirror", &second.url("/d/"), "--json"];
    let done = json(&fetch(place.path(), &arguments));
    assert_eq!(done["verified"]["by"], "sums");
    assert_eq!(std::fs::read(place.path().join("a.iso")).unwrap(), bytes);
    let sent = done["sources"].as_array().unwrap().iter().map(|source| source["bytes"].as_u64().unwrap());
    let sent: Vec<u64> = sent.collect();
    assert!(sent.len() == 2 && sent.iter().all(|bytes| *bytes > 0), "{done}");
    assert_eq!(sent.iter().sum::<u64>(), bytes.len() as u64);
    // Nothing judges it without: one of them sends it all.
    let place = tempfile::tempdir().unwrap();
    let arguments = [&second.url("/d/a.iso"), "--mirror", &first.url("/a.iso"), "--json"];
    let done = json(&fetch(place.path(), &arguments));
    assert_eq!((&done["verified"]["by"], done["sources"].as_array().unwrap().len()), (&"nobody".into(), 1));
}

#[test]
fn a_mirror_that_serves_another_file_or_breaks_off_is_named_and_passed_over() {
    let place = tempfile::tempdir().unwrap();
    let bytes = content(1, 400_000);
    let wrong = Web::start(&[("/a.iso", file(&content(2, 400_000)))], NOT_FOUND);
    let circle = Web::start(&[("/a.iso", Page::Redirect("/a.iso".into()))], NOT_FOUND);
    let right = Web::start(&[("/d/a.iso", file(&bytes))], NOT_FOUND);
    let digest = Digest::of(&bytes).to_string();
    let mirrors = [circle.url("/a.iso"), right.url("/d/")];
    let output = fetch(
        place.path(),
        &[
            &wrong.url("/a.iso"),
            "--mirror",
            &mirrors[0],
            "--mirror",
            &mirrors[1],
            "--digest",
            &digest,
            "--json",
        ],
    );
    let done = json(&output);
    assert_eq!(done["sources"].as_array().unwrap().last().unwrap()["source"], right.url("/d/a.iso"));
    assert_eq!(std::fs::read(place.path().join("a.iso")).unwrap(), bytes);
    let told = text(&output);
    assert!(told.contains(&Digest::of(&content(2, 400_000)).to_string()), "{told}");
    assert!(told.contains("it leads in a circle"), "{told}");
}

#[test]
fn what_is_broken_off_goes_on_where_it_was() {
    let place = tempfile::tempdir().unwrap();
    let bytes = content(3, 3_000_000);
    let cut = Web::start(&[("/a.iso", Page::Cut(bytes.clone(), 2_000_000))], NOT_FOUND);
    let right = Web::start(&[("/a.iso", file(&bytes))], NOT_FOUND);
    let digest = Digest::of(&bytes).to_string();
    // The first process is killed when it has something.
    let mut child = Command::new(env!("CARGO_BIN_EXE_bootwright"))
        .args(["fetch", &cut.url("/a.iso"), "--digest", &digest])
        .current_dir(place.path())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let begun = std::time::Instant::now();
    let part = place.path().join("a.iso.part");
    while std::fs::metadata(&part).map_or(0, |metadata| metadata.len()) < 1_000_000 {
        assert!(begun.elapsed().as_secs() < 20, "nothing arrives");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let done = json(&fetch(place.path(), &[&right.url("/a.iso"), "--digest", &digest, "--json"]));
    assert!(done["kept"].as_u64().unwrap() >= 1_000_000, "{done}");
    assert_eq!(std::fs::read(place.path().join("a.iso")).unwrap(), bytes);
}

#[test]
fn it_unpacks_on_the_way_and_tells_both_digests() {
    let place = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = content(4, 1000).repeat(500);
    std::fs::write(place.path().join("disk.raw"), &bytes).unwrap();
    for (program, extension) in [("gzip", "gz"), ("xz", "xz"), ("zstd", "zst")] {
        let packed = Command::new(program).args(["-c", "disk.raw"]).current_dir(place.path()).output();
        let packed = packed.unwrap_or_else(|error| panic!("{program}: {error}")).stdout;
        let path = format!("/new.raw.{extension}");
        let web = Web::start(&[(path.as_str(), file(&packed))], NOT_FOUND);
        let digest = Digest::of(&packed).to_string();
        let done =
            json(&fetch(place.path(), &[&web.url(&path), "--decompress", "--digest", &digest, "--json"]));
        assert_eq!(done["digest"], digest);
        assert_eq!(done["unpacked"]["digest"], Digest::of(&bytes).to_string());
        assert_eq!(std::fs::read(place.path().join("new.raw")).unwrap(), bytes, "{program}");
        std::fs::remove_file(place.path().join("new.raw")).unwrap();
    }
}

#[test]
fn the_proxy_of_the_environment_is_asked_and_no_proxy_counts() {
    let place = tempfile::tempdir().unwrap();
    let proxy = Web::start(&[("/a.iso", file(b"by proxy"))], NOT_FOUND);
    let run = |no_proxy: &str| {
        Command::new(env!("CARGO_BIN_EXE_bootwright"))
            .args(["fetch", "http://mirror.example/a.iso", "--digest", &Digest::of(b"by proxy").to_string()])
            .env("http_proxy", proxy.url(""))
            .env("no_proxy", no_proxy)
            .current_dir(place.path())
            .output()
            .unwrap()
    };
    let output = run("");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(proxy.seen(), ["GET http://mirror.example/a.iso HTTP/1.1"]);
    assert_eq!(std::fs::read(place.path().join("a.iso")).unwrap(), b"by proxy");
}

#[test]
fn a_full_disk_is_told_and_leaves_no_file() {
    let place = tempfile::tempdir().unwrap();
    let web = Web::start(&[("/a.iso", file(&content(5, 4 << 20)))], NOT_FOUND);
    let script = format!(
        "mount -t tmpfs -o size=1m tmpfs {0} && {1} fetch {2} -o {0}/a.iso; status=$?; ls {0}/a.iso; exit $status",
        place.path().display(),
        env!("CARGO_BIN_EXE_bootwright"),
        web.url("/a.iso")
    );
    let output = Command::new("unshare").args(["-rm", "sh", "-c", &script]).output().unwrap();
    let told = text(&output);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("No space left on device") && told.contains("a.iso"), "{told}");
    assert!(told.contains("No such file"), "{told}");
}

#[test]
fn usage_that_makes_no_sense_is_status_2() {
    let place = tempfile::tempdir().unwrap();
    let many = ["http://a/x", "http://a/y", "--digest", &format!("sha256:{}", "0".repeat(64))];
    for arguments in [&many[..], &["gopher://a/b"], &["http://a/dir/"], &["http://a/x", "--artifact", "y"]] {
        assert_eq!(fetch(place.path(), arguments).status.code(), Some(2), "{arguments:?}");
    }
}
