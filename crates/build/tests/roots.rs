//! Whole builds whose roots come from, or are written as, something special.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code, reason = "what the tests of another file use")]
mod bench;

use std::fs;
use std::process::Command;

use bench::Bench;
use bootwright_build::steps::{Outcome, Step};
use bootwright_image::{Digest, RootManifest};

#[test]
fn veritysetup_verifies_a_root_by_the_hash_in_its_manifest() {
    let bench = Bench::new();
    bench.recipe("verity = true");
    bench.build().unwrap();
    let path = bench.path("image/root.img");
    let manifest = RootManifest::from_bytes(&fs::read(bench.path("image/root.json")).unwrap()).unwrap();
    let verity = manifest.verity.unwrap();
    let verify = || {
        let mut command = Command::new("veritysetup");
        command.arg("verify").args([&path, &path]).arg(verity.root_hash.hex());
        command.arg(format!("--hash-offset={}", verity.hash_offset().unwrap()));
        command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
        command.output().expect("veritysetup of the package cryptsetup-bin").status.success()
    };
    assert!(verify());
    let mut bytes = fs::read(&path).unwrap();
    assert_eq!((bytes.len() as u64, Digest::of(&bytes)), (manifest.size, manifest.digest));
    bytes[200] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(!verify());
}

/// More layers than results of a step are kept.
const LAYERS: &str = r#"set -e
    umoci init --layout layout
    umoci new --image layout:worker
    mkdir root && tar -xf root.tar -C root
    umoci insert --rootless --image layout:worker root /
    for number in 1 2 3 4 5; do
        echo $number > file
        umoci insert --rootless --image layout:worker file /file-$number
        umoci insert --rootless --image layout:worker file /file
    done"#;

#[test]
fn a_root_of_many_layers_is_merged_once() {
    let bench = Bench::new();
    let script = Command::new("sh").args(["-c", LAYERS]).current_dir(bench.path("")).output().unwrap();
    let said = String::from_utf8_lossy(&script.stderr);
    assert!(script.status.success(), "umoci of the Debian package umoci: {said}");
    let recipe = "name = 'image'\n[root]\nsource = 'oci'\npath = 'layout'\n";
    fs::write(bench.path("bootwright.toml"), recipe).unwrap();
    let (_, steps) = bench.build().unwrap();
    assert!(steps.contains(&(Step::Source, Outcome::Done)), "{steps:?}");
    let listing =
        Command::new("unsquashfs").arg("-cat").arg(bench.path("image/root.img")).arg("file").output();
    assert_eq!(listing.expect("unsquashfs").stdout, b"5\n");
    let (report, steps) = bench.build().unwrap();
    assert!(report.unchanged && steps.contains(&(Step::Source, Outcome::Cached)), "{steps:?}");
}
