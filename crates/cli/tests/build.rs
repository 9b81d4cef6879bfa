//! `bootwright build` and `bootwright init` as a user meets them.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

use assert_cmd::Command;

fn bootwright(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::cargo_bin("bootwright")
        .unwrap()
        .current_dir(directory)
        .args(arguments)
        .env("NO_COLOR", "1")
        .env_remove("SOURCE_DATE_EPOCH")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_fault_in_the_recipe_is_shown_in_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let text = "name = 'worker'\nhostnme = 'worker'\n[root]\nsource = 'tar'\npath = 'root.tar'\n";
    fs::write(directory.path().join("bootwright.toml"), text).unwrap();
    let (status, _, told) = bootwright(directory.path(), &["build"]);
    assert_eq!(status, Some(2), "{told}");
    assert!(told.contains("bootwright.toml:2:1: unknown field `hostnme`"), "{told}");
    assert!(told.contains("hostnme = 'worker'"), "{told}");
}

#[test]
fn a_recipe_that_is_not_there_names_init() {
    let directory = tempfile::tempdir().unwrap();
    let (status, _, told) = bootwright(directory.path(), &["build"]);
    assert_eq!(status, Some(3), "{told}");
    assert!(told.contains("bootwright init"), "{told}");
}

#[test]
fn a_source_that_is_not_there_is_the_environments_fault() {
    let directory = tempfile::tempdir().unwrap();
    let text = "name = 'worker'\n[root]\nsource = 'tar'\npath = 'root.tar'\n";
    fs::write(directory.path().join("bootwright.toml"), text).unwrap();
    let (status, _, told) = bootwright(directory.path(), &["build"]);
    assert_eq!(status, Some(3), "{told}");
    assert!(told.contains("root.tar"), "{told}");
    assert!(!directory.path().join("worker").exists());
}

#[test]
fn init_writes_a_recipe_from_flags_and_never_over_another() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("key.pub"), "ssh-ed25519 AAAA me\n").unwrap();
    let arguments = ["init", "node", "--ssh-key", "key.pub", "--packages", "nginx,curl", "--mode", "embed"];
    let (status, said, told) = bootwright(directory.path(), &arguments);
    assert_eq!(status, Some(0), "{told}");
    assert!(said.contains("bootwright build node"), "{said}");
    let text = fs::read_to_string(directory.path().join("node/bootwright.toml")).unwrap();
    for part in
        ["name = \"node\"", "mode = \"embed\"", "\"nginx\"", "\"openssh-server\"", "ssh-ed25519 AAAA me"]
    {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let (status, _, told) = bootwright(directory.path(), &arguments);
    assert_eq!(status, Some(2), "{told}");
    assert_eq!(fs::read_to_string(directory.path().join("node/bootwright.toml")).unwrap(), text);
}

#[test]
fn init_refuses_what_would_be_no_recipe() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("key"), "-----BEGIN OPENSSH PRIVATE KEY-----\n").unwrap();
    for (arguments, expected) in [
        (["--name", "a b"], "letters, digits"),
        (["--hostname", "no_good"], "host name"),
        (["--ssh-key", "key"], "private key"),
        (["--ssh-key", "absent"], "neither an SSH key"),
    ] {
        let (status, _, told) = bootwright(directory.path(), &[&["init", "--yes"], &arguments[..]].concat());
        assert_eq!(status, Some(2), "{told}");
        assert!(told.contains(expected), "{told}");
    }
    assert!(!directory.path().join("bootwright.toml").exists());
}
