//! FAT: fsck.fat and mtools read what we write, we read what mkfs.fat and mtools write.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bootwright_formats::fat::{ALIGNMENT, Fat, FatError, NewFile, Plan, Volume, Width, WriteError};
use bootwright_formats::{FileBytes, Mosaic, ReadAt, Shared};

const EPOCH: u64 = 1_790_000_000;

/// Runs a judge (a package of xtask/src/packages.rs) with the volume as its last argument.
fn judge(program: &str, arguments: &[&str]) -> String {
    let path = format!("/usr/sbin:/sbin:{}", std::env::var("PATH").unwrap());
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", path)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}: cargo xtask test installs it"));
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?} ended with {}: {said}", output.status);
    said
}

/// Bytes that tell where they come from.
fn content(seed: u8, size: usize) -> Vec<u8> {
    (0..size).map(|at| seed ^ (at as u8) ^ (at >> 8) as u8 ^ (at >> 16) as u8).collect()
}

fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("EFI/BOOT/BOOTX64.EFI", content(1, 300_001)),
        ("EFI/Linux/worker_2026.11.20.efi", content(2, 4096)),
        ("bootwright/root.json", b"{}".to_vec()),
        ("a name that is long, has spaces and umlauts äöü.text", content(3, 4097)),
        ("README.TXT", content(4, 1)),
        ("readme.text", vec![]),
    ]
}

fn plan(size: Option<u64>) -> Plan {
    let new = |(path, bytes): (&str, Vec<u8>)| NewFile { path: path.to_owned(), content: Arc::new(bytes) };
    let files = files().into_iter().map(new).collect();
    Plan {
        label: "BOOTWRIGHT".into(),
        serial: 0xcafe_f00d,
        epoch: EPOCH,
        size,
        start: MIB,
        sector: 512,
        files,
    }
}

/// Writes the image with its holes.
fn store(image: &Mosaic, path: &Path) {
    let file = std::fs::File::create(path).unwrap();
    file.set_len(image.size()).unwrap();
    let mut at = 0;
    while at < image.size() {
        let extent = image.extent(at).unwrap();
        if extent.kind == bootwright_formats::ExtentKind::Data {
            let mut bytes = vec![0; (extent.range.end - at) as usize];
            image.read_exact_at(at, &mut bytes).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, &bytes, at).unwrap();
        }
        at = extent.range.end;
    }
}

fn read(image: impl ReadAt) -> Vec<u8> {
    let mut bytes = vec![0; image.size() as usize];
    image.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

fn open(path: &Path) -> Fat {
    Fat::open(Arc::new(FileBytes::new(std::fs::File::open(path).unwrap()).unwrap())).unwrap()
}

const MIB: u64 = 1 << 20;

#[test]
fn fsck_finds_no_fault_and_mtools_reads_every_file_of_every_width() {
    let directory = tempfile::tempdir().unwrap();
    for (size, width, sector) in [
        (None, Width::Fat12, 512),
        (Some(3 * MIB), Width::Fat12, 512),
        (Some(64 * MIB), Width::Fat16, 512),
        (Some(255 * MIB), Width::Fat16, 512),
        (Some(512 * MIB), Width::Fat32, 512),
        (Some(40 << 30), Width::Fat32, 512),
        (None, Width::Fat12, 4096),
        (Some(64 * MIB), Width::Fat16, 4096),
        (Some(512 * MIB), Width::Fat32, 4096),
    ] {
        let path = directory.path().join("volume");
        let Volume { image, width: found, placed } = Plan { sector, ..plan(size) }.lay_out().unwrap();
        assert_eq!(found, width, "{size:?}");
        store(&image, &path);
        let volume = path.to_str().unwrap();
        let said = judge("fsck.fat", &["-n", "-v", volume]);
        assert!(!said.contains("differences") && !said.contains("ailed"), "{said}");
        assert!(said.contains(" 11 files,"), "{said}");
        assert!(said.contains(&format!("{sector} bytes per logical sector")), "{said}");
        let said = judge("mdir", &["-i", volume, "::EFI/BOOT"]);
        assert!(said.contains("BOOTX64  EFI    300001 2026-09-21  14:13"), "{said}");
        let said = judge("mlabel", &["-s", "-i", volume, "::"]);
        assert!(said.contains("BOOTWRIGHT"), "{said}");
        for (name, bytes) in files() {
            let copy = directory.path().join("copy");
            judge("mcopy", &["-n", "-i", volume, &format!("::{name}"), copy.to_str().unwrap()]);
            assert_eq!(std::fs::read(&copy).unwrap(), bytes, "{name}");
            std::fs::remove_file(copy).unwrap();
            if let Some(at) = placed.get(name) {
                assert!(at.is_multiple_of(ALIGNMENT));
                let mut there = vec![0; bytes.len()];
                image.read_exact_at(*at, &mut there).unwrap();
                assert_eq!(there, bytes, "{name}");
            }
        }
    }
}

#[test]
fn every_size_around_the_limits_is_a_volume_without_fault() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("volume");
    // 4085 and 65525 clusters of 4096 bytes are 16 and 256 MiB; some sectors are for the tables.
    let around = |base: u64| (0..14).map(move |step| base - 60 * 1024 + step * 16384);
    for size in around(16 * MIB).chain(around(256 * MIB)).chain([256 * MIB + 256 * 1024, 700_000]) {
        let size = size / 512 * 512;
        store(&plan(Some(size)).lay_out().unwrap().image, &path);
        judge("fsck.fat", &["-n", path.to_str().unwrap()]);
        assert_eq!(open(&path).find("efi/boot/bootx64.efi").unwrap().unwrap().size, 300_001);
    }
}

#[test]
fn what_mtools_wrote_into_a_volume_of_mkfs_is_read() {
    let directory = tempfile::tempdir().unwrap();
    for (size, bits, width) in
        [("2M", "12", Width::Fat12), ("20M", "16", Width::Fat16), ("64M", "32", Width::Fat32)]
    {
        let path = directory.path().join("volume");
        let volume = path.to_str().unwrap();
        let _ = std::fs::remove_file(&path);
        judge("truncate", &["-s", size, volume]);
        judge("mkfs.fat", &["-F", bits, "-s", "1", "-n", "JUDGE", "-i", "12345678", volume]);
        let source = directory.path().join("source");
        judge("mmd", &["-i", volume, "::EFI", "::EFI/BOOT", "::many"]);
        for (name, bytes) in
            [("::EFI/BOOT/BOOTX64.EFI", content(9, 200_000)), ("::a longer näme.txt", content(8, 700))]
        {
            std::fs::File::create(&source).unwrap().write_all(&bytes).unwrap();
            judge("mcopy", &["-i", volume, source.to_str().unwrap(), name]);
        }
        for number in 0..60 {
            judge(
                "mcopy",
                &["-i", volume, source.to_str().unwrap(), &format!("::many/file number {number}")],
            );
        }
        let fat = open(&path);
        assert_eq!((fat.width, fat.label.as_str(), fat.serial), (width, "JUDGE", 0x1234_5678));
        let entry = fat.find("\\efi\\boot\\bootx64.efi").unwrap().unwrap();
        assert_eq!(read(fat.file(&entry).unwrap()), content(9, 200_000));
        let entry = fat.find("a longer näme.txt").unwrap().unwrap();
        assert_eq!(read(fat.file(&entry).unwrap()), content(8, 700));
        let mut paths = Vec::new();
        fat.walk(&mut |path, _| paths.push(path.to_owned())).unwrap();
        assert_eq!(paths.len(), 65);
        assert!(paths.contains(&"many/file number 59".to_owned()), "{paths:?}");
        assert_eq!(fat.find("EFI/nothing").unwrap(), None);
    }
}

#[test]
fn the_same_plan_gives_the_same_bytes() {
    let image = || read(plan(Some(5 * MIB)).lay_out().unwrap().image);
    assert!(image() == image());
}

#[test]
fn names_and_files_that_do_not_fit_are_refused() {
    let lay_out = |paths: &[&str], size, bytes: Shared| {
        let file = |path: &&str| NewFile { path: (*path).to_owned(), content: Arc::clone(&bytes) };
        Plan { files: paths.iter().map(file).collect(), ..plan(size) }.lay_out().unwrap_err()
    };
    let small = || Arc::new(vec![1u8]) as Shared;
    assert_eq!(lay_out(&["a/B", "A/b"], None, small()), WriteError::Twice("A/b".into()));
    assert_eq!(lay_out(&["a", "a/b"], None, small()), WriteError::Twice("a/b".into()));
    for path in ["", "/a", "a//b", "a/../b", "a:b", "a/"] {
        assert_eq!(lay_out(&[path], None, small()), WriteError::Path(path.into()));
    }
    assert!(matches!(lay_out(&["a"], Some(MIB), Arc::new(vec![1u8; 1 << 20])), WriteError::Full { .. }));
    let huge = Arc::new(Mosaic::new(1 << 32));
    assert!(matches!(lay_out(&["a"], None, huge), WriteError::TooLarge { .. }));
    let label = Plan { label: "much too long".into(), ..plan(None) }.lay_out().unwrap_err();
    assert!(matches!(label, WriteError::Label(_)));
}

/// The first table of a FAT16 volume: behind the reserved sectors.
fn table_at(bytes: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([bytes[14], bytes[15]])) * 512
}

#[test]
fn a_chain_that_comes_back_leaves_or_ends_is_named_with_its_offset() {
    let good = read(plan(Some(20 * MIB)).lay_out().unwrap().image);
    let fat = Fat::open(Arc::new(good.clone())).unwrap();
    assert_eq!(fat.width, Width::Fat16);
    let entry = fat.find("EFI/BOOT/BOOTX64.EFI").unwrap().unwrap();
    let third = table_at(&good) + 2 * (entry.first_cluster as usize + 2);
    for (value, word) in [
        (entry.first_cluster as u16, "come back"),
        (0xfff0, "not there"),
        (0, "too early"),
        (0xffff, "too early"),
    ] {
        let mut bad = good.clone();
        bad[third..third + 2].copy_from_slice(&value.to_le_bytes());
        let error = Fat::open(Arc::new(bad)).unwrap().file(&entry).unwrap_err();
        let FatError::Chain { problem, offset, .. } = &error else { panic!("{error}") };
        assert!(problem.contains(word), "{error}");
        assert!(word == "come back" || *offset == third as u64, "{error}");
    }
}

#[test]
fn a_directory_that_holds_itself_ends_the_walk() {
    let mut bad = read(plan(Some(20 * MIB)).lay_out().unwrap().image);
    let fat = Fat::open(Arc::new(bad.clone())).unwrap();
    let efi = fat.find("EFI").unwrap().unwrap();
    let boot = fat.find("EFI/BOOT").unwrap().unwrap();
    // In EFI the entry of BOOT, behind `.` and `..`, now has EFI's own cluster.
    let at = bad.windows(11).position(|bytes| bytes == b"BOOT       ").unwrap() + 26;
    assert_eq!(u32::from(bad[at]), boot.first_cluster);
    bad[at] = efi.first_cluster as u8;
    let fat = Fat::open(Arc::new(bad)).unwrap();
    assert!(matches!(fat.walk(&mut |_, _| {}), Err(FatError::Depth(_))));
}

#[test]
fn what_is_no_volume_is_told_with_the_field() {
    let mut boot = read(plan(None).lay_out().unwrap().image);
    boot[11] = 1;
    let error = Fat::open(Arc::new(boot.clone())).unwrap_err().to_string();
    assert_eq!(error, "no FAT volume: BPB_BytsPerSec at offset 11 is 513");
    boot.truncate(100);
    assert!(matches!(Fat::open(Arc::new(boot)), Err(FatError::Read { .. })));
}
