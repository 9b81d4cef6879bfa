//! Whole builds from a small tar, on the stub of this system in place of a kernel.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bench;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bench::{Bench, VERSION};
use bootwright_build::recipe::Recipe;
use bootwright_build::steps::{BuildError, Cause, Outcome, Step};
use bootwright_build::tree::Metadata;
use bootwright_formats::pe::Uki;
use bootwright_formats::tar::{Writer, Written};
use bootwright_image::manifest::{ArtifactKind, Mode};
use bootwright_image::torrent::{Info, Metainfo};
use bootwright_image::{Digest, Manifest, Pin, RootManifest, pin};

fn section(image: &Path, name: &str) -> Vec<u8> {
    let range = Uki::read(&mut fs::File::open(image).unwrap()).unwrap().range(name).unwrap();
    fs::read(image).unwrap()[range.start as usize..range.end as usize].to_vec()
}

/// The files in the UKI's initrd, by path without a leading slash.
fn initrd(image: &Path) -> Vec<(String, Vec<u8>)> {
    let bytes = section(image, ".initrd");
    let mut reader = bootwright_formats::initrd::Reader::new(&bytes[..]);
    let mut files = Vec::new();
    while let Some(mut entry) = reader.next_entry().unwrap() {
        let name = String::from_utf8(entry.path().to_vec()).unwrap();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        files.push((name.trim_start_matches('/').to_owned(), content));
    }
    files
}

fn file(files: &[(String, Vec<u8>)], path: &str) -> Vec<u8> {
    let name = path.trim_start_matches('/');
    files.iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("no {path}")).1.clone()
}

#[test]
fn an_image_is_complete_and_its_parts_vouch_for_each_other() {
    let bench = Bench::new();
    bench.build().unwrap();
    let read = |name: &str| fs::read(bench.path("image").join(name)).unwrap();
    let manifest = Manifest::from_bytes(&read("image.json")).unwrap();
    assert_eq!((manifest.name.as_str(), manifest.mode), ("image", Mode::Ram));
    let torrent = Metainfo::from_bytes(&read("root.torrent")).unwrap();
    assert_eq!(torrent.info, Info::of(&RootManifest::from_bytes(&read("root.json")).unwrap()));
    assert_eq!((manifest.kernel.as_str(), manifest.os.as_deref()), (VERSION, Some("Test OS")));
    assert_eq!(manifest.architecture, "x86_64");
    for artifact in &manifest.artifacts {
        let bytes = read(&artifact.file);
        assert_eq!(
            (artifact.size, artifact.digest),
            (bytes.len() as u64, Digest::of(&bytes)),
            "{}",
            artifact.file
        );
    }
    let files = initrd(&bench.path("image/image.efi"));
    let pin: Pin = serde_json::from_slice(&file(&files, pin::PATH)).unwrap();
    let root = pin.verify(&read("root.json")).unwrap();
    assert_eq!(root.digest, Digest::of(&read("root.img")));
    assert_eq!((pin.name.as_str(), pin.built), ("image", 1_700_000_000));
    assert_eq!(file(&files, "/init"), b"the agent");
    assert_eq!(section(&bench.path("image/image.efi"), ".uname"), VERSION.as_bytes());
}

#[test]
fn an_embedded_root_is_in_the_uki_and_nowhere_else() {
    let bench = Bench::new();
    bench.recipe("mode = 'embed'");
    let (report, _) = bench.build().unwrap();
    assert!(report.manifest.artifact(ArtifactKind::Root).is_none());
    assert!(!bench.path("image/root.img").exists());
    let files = initrd(&bench.path("image/image.efi"));
    let manifest = file(&files, pin::EMBEDDED_ROOT_MANIFEST);
    assert_eq!(manifest, fs::read(bench.path("image/root.json")).unwrap());
    let root = RootManifest::from_bytes(&manifest).unwrap();
    assert_eq!(root.digest, Digest::of(&file(&files, pin::EMBEDDED_ROOT)));
}

#[test]
fn two_builds_give_the_same_bytes() {
    let bench = Bench::new();
    bench.build_to(&bench.path("one/image"), &bench.path("cache1")).unwrap();
    bench.build_to(&bench.path("two/image"), &bench.path("cache2")).unwrap();
    for name in ["image.efi", "root.img", "root.json", "image.json"] {
        let read = |place: &str| fs::read(bench.path(place).join("image").join(name)).unwrap();
        assert!(read("one") == read("two"), "{name}");
    }
}

#[test]
fn nothing_changed_means_nothing_is_done() {
    let bench = Bench::new();
    bench.build().unwrap();
    let (report, steps) = bench.build().unwrap();
    assert!(report.unchanged);
    assert!(
        steps.contains(&(Step::Root, Outcome::Cached)) && steps.contains(&(Step::Initrd, Outcome::Cached))
    );
    assert!(!steps.iter().any(|(step, _)| matches!(step, Step::Uki | Step::Publish)), "{steps:?}");
    // A file that somebody touched is made anew.
    fs::write(bench.path("image/root.img"), b"damaged").unwrap();
    let (report, _) = bench.build().unwrap();
    assert!(!report.unchanged);
    assert_eq!(
        report.manifest.artifact(ArtifactKind::Root).unwrap().digest,
        Digest::of(&fs::read(bench.path("image/root.img")).unwrap())
    );
}

#[test]
fn mirrors_of_the_recipe_are_web_seeds_and_change_nothing_else() {
    let bench = Bench::new();
    bench.build().unwrap();
    let read = |name: &str| fs::read(bench.path("image").join(name)).unwrap();
    let (torrent, manifest) = (Metainfo::from_bytes(&read("root.torrent")).unwrap(), read("image.json"));
    bench.recipe("mirrors = ['http://a/worker', 'https://b/']");
    assert!(!bench.build().unwrap().0.unchanged);
    let mirrored = Metainfo::from_bytes(&read("root.torrent")).unwrap();
    assert_eq!(mirrored.web_seeds, ["http://a/worker/", "https://b/"]);
    assert_eq!((mirrored.info, read("image.json")), (torrent.info, manifest));
    // It belongs to the image: one that is gone is made again.
    fs::remove_file(bench.path("image/root.torrent")).unwrap();
    assert!(!bench.build().unwrap().0.unchanged);
    assert!(bench.path("image/root.torrent").exists());
    bench.recipe("mirrors = ['ftp://a/']");
    let error = format!("{:?}", Recipe::load(&bench.path("")).unwrap_err());
    assert!(error.contains("a mirror is the URL of a directory"), "{error}");
}

#[test]
fn a_new_command_line_makes_only_a_new_uki() {
    let bench = Bench::new();
    bench.build().unwrap();
    let root = fs::read(bench.path("image/root.json")).unwrap();
    let text = fs::read_to_string(bench.path("bootwright.toml")).unwrap();
    fs::write(bench.path("bootwright.toml"), format!("{text}[kernel]\ncmdline = 'quiet'\n")).unwrap();
    let (_, steps) = bench.build().unwrap();
    assert!(
        steps.contains(&(Step::Root, Outcome::Cached)) && steps.contains(&(Step::Initrd, Outcome::Cached))
    );
    assert!(steps.contains(&(Step::Uki, Outcome::Done)));
    assert_eq!(fs::read(bench.path("image/root.json")).unwrap(), root);
    assert_eq!(section(&bench.path("image/image.efi"), ".cmdline"), b"quiet");
    let files = initrd(&bench.path("image/image.efi"));
    let pin: Pin = serde_json::from_slice(&file(&files, pin::PATH)).unwrap();
    assert_eq!(pin.cmdline, "quiet");
}

#[test]
fn a_changed_source_makes_a_new_root() {
    let bench = Bench::new();
    bench.build().unwrap();
    bench.write_tar(&[("etc/new", b"new")]);
    let (_, steps) = bench.build().unwrap();
    assert!(steps.contains(&(Step::Root, Outcome::Done)), "{steps:?}");
}

#[test]
fn what_is_no_image_is_never_replaced() {
    let bench = Bench::new();
    fs::create_dir(bench.path("image")).unwrap();
    fs::write(bench.path("image/precious"), "precious").unwrap();
    let error = bench.build().unwrap_err();
    assert!(matches!(error, BuildError::Occupied { .. }), "{error}");
    assert_eq!(error.cause(), Cause::Recipe);
    assert_eq!(fs::read(bench.path("image/precious")).unwrap(), b"precious");
    fs::remove_file(bench.path("image/precious")).unwrap();
    bench.build().unwrap();
    fs::write(bench.path("image/disk.iso"), "mine").unwrap();
    assert!(bench.build().unwrap_err().to_string().contains("disk.iso"));
}

#[test]
fn what_a_killed_build_left_is_cleared_away() {
    let bench = Bench::new();
    fs::create_dir(bench.path(".image.unfinished")).unwrap();
    fs::write(bench.path(".image.unfinished/image.efi"), "half").unwrap();
    bench.build().unwrap();
    assert!(!bench.path(".image.unfinished").exists());
}

#[test]
fn a_root_damaged_in_the_cache_is_not_published() {
    let bench = Bench::new();
    bench.build().unwrap();
    let mut roots =
        fs::read_dir(bench.path("cache")).unwrap().map(|entry| entry.unwrap().path().join("root.img"));
    let root = roots.find(|path| path.exists()).unwrap();
    let mut bytes = fs::read(&root).unwrap();
    bytes[200] ^= 1;
    fs::write(&root, bytes).unwrap();
    fs::remove_dir_all(bench.path("image")).unwrap();
    let error = bench.build().unwrap_err();
    assert!(matches!(error, BuildError::Io { .. }), "{error}");
    assert!(!bench.path("image").exists());
    bench.build().unwrap();
}

#[test]
fn a_damaged_archive_is_named_with_the_place_of_the_damage() {
    let bench = Bench::new();
    let bytes = fs::read(bench.path("root.tar")).unwrap();
    fs::write(bench.path("root.tar"), &bytes[..bytes.len() / 2]).unwrap();
    let error = bench.build().unwrap_err();
    assert_eq!(error.cause(), Cause::Input);
    let mut told = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        told = format!("{told}: {cause}");
        source = cause.source();
    }
    assert!(told.contains("root.tar") && told.contains("at byte") && told.contains("cut short"), "{told}");
    assert!(!bench.path("image").exists());
}

#[test]
fn a_root_without_a_kernel_says_what_to_do() {
    let bench = Bench::new();
    let mut writer = Writer::new(fs::File::create(bench.path("root.tar")).unwrap());
    writer.header(b"etc/", &Metadata::default(), Written::Directory).unwrap();
    writer.finish().unwrap();
    let error = bench.build().unwrap_err();
    assert!(error.to_string().contains("linux-image-amd64"), "{error}");
}

#[test]
fn a_compressed_archive_is_the_same_root() {
    let bench = Bench::new();
    let (plain, _) = bench.build().unwrap();
    for (program, package, suffix) in
        [("zstd", "zstd", "zst"), ("xz", "xz-utils", "xz"), ("gzip", "gzip", "gz")]
    {
        let packed = bench.path(&format!("root.tar.{suffix}"));
        let output = Command::new(program).arg("-c").arg(bench.path("root.tar")).output();
        let output = output.unwrap_or_else(|error| panic!("{error}: install the package {package}"));
        fs::write(&packed, output.stdout).unwrap();
        let text = fs::read_to_string(bench.path("bootwright.toml")).unwrap();
        let text = text.lines().map(|line| {
            if line.starts_with("path") {
                format!("path = 'root.tar.{suffix}'\n")
            } else {
                format!("{line}\n")
            }
        });
        fs::write(bench.path("bootwright.toml"), text.collect::<String>()).unwrap();
        let (report, _) = bench.build().unwrap();
        assert_eq!(report.manifest, plain.manifest, "{suffix}");
    }
}

/// The file system of the output fills up at every point in turn: nothing but whole images ever appears.
#[test]
fn a_full_disk_leaves_nothing_behind() {
    let marker = "BOOTWRIGHT_TEST_SMALL_DISK";
    let Some(place) = std::env::var_os(marker).map(PathBuf::from) else {
        // Again, in a namespace of our own, where an ordinary user can mount.
        let place = tempfile::tempdir().unwrap();
        let output = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "--"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "a_full_disk_leaves_nothing_behind", "--nocapture"])
            .env(marker, place.path())
            .output()
            .expect("unshare of the package util-linux");
        let text = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&text));
        return;
    };
    let bench = Bench::new();
    let noise: Vec<u8> = (0..400_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    bench.write_tar(&[("noise", &noise)]);
    let mut built = 0;
    for kilobytes in (100..3600).step_by(400) {
        let mount = |arguments: &[&str]| {
            assert!(Command::new(arguments[0]).args(&arguments[1..]).arg(&place).status().unwrap().success());
        };
        mount(&["mount", "-t", "tmpfs", "-o", &format!("size={kilobytes}k"), "tmpfs"]);
        let result = bench.build_to(&place.join("image"), &place.join("cache"));
        let finished: Vec<_> = fs::read_dir(&place)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "cache")
            .collect();
        let left = fs::read_dir(place.join("cache/tmp")).map_or(0, Iterator::count);
        match result {
            Ok(_) => {
                built += 1;
                assert_eq!(finished, ["image"]);
            }
            Err(error) => {
                assert_eq!(error.cause(), Cause::Environment, "{error:?}");
                assert_eq!((finished.as_slice(), left), (&[][..], 0), "after {error:?}");
            }
        }
        mount(&["umount"]);
    }
    assert!(built > 0 && built < 9, "{built} of the sizes were enough");
}
