//! Images of our EROFS writer, judged by fsck.erofs and dump.erofs; images of mkfs.erofs, read by our reader.

#![allow(clippy::unwrap_used, clippy::panic)]

mod archive;
mod delta;
#[path = "../judges/mod.rs"]
mod judges;
mod reading;
mod refused;
mod sample;
mod sparse;

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use std::process::Command;

use bootwright_formats::erofs::{Algorithm, Compression};
use sample::{BUILD_TIME, Entry, What};

fn with(algorithm: Algorithm, level: i32) -> Option<Compression> {
    Some(Compression { algorithm, level })
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// fsck.erofs takes out every file: its bytes and attributes are those that went in.
fn extract_and_compare(compression: Option<Compression>) {
    let directory = tempfile::tempdir().unwrap();
    let tree = sample::tree();
    let path = directory.path().join("image");
    fs::write(&path, sample::image(&tree, compression, 2).0).unwrap();
    let out = directory.path().join("out");
    let mut fsck = judges::erofs_utils("fsck.erofs");
    // Owners and devices need privileges: dump.erofs tells them to anybody.
    fsck.arg(format!("--extract={}", out.display())).args(["--xattrs", "--preserve-perms"]).arg(&path);
    run(&mut fsck);
    for entry in &tree {
        compare(entry, &out.join(&entry.path));
    }
}

fn compare(entry: &Entry, found: &Path) {
    let Ok(metadata) = fs::symlink_metadata(found) else {
        // An ordinary user cannot make devices.
        let device = matches!(entry.what, What::CharDevice(..) | What::BlockDevice(..));
        assert!(device && !rustix::process::geteuid().is_root(), "{} is missing", entry.path);
        return;
    };
    let kind = metadata.file_type();
    match &entry.what {
        What::Directory => assert!(kind.is_dir()),
        What::File(bytes) => assert!(fs::read(found).unwrap() == *bytes, "{}", entry.path),
        What::Symlink(target) => {
            assert_eq!(fs::read_link(found).unwrap().as_os_str().as_encoded_bytes(), target);
            return;
        }
        What::Fifo => assert!(kind.is_fifo()),
        What::Socket => assert!(kind.is_socket()),
        What::CharDevice(..) | What::BlockDevice(..) => {
            assert!(kind.is_char_device() || kind.is_block_device());
        }
        What::Link(_) => assert_eq!(metadata.nlink(), 2),
    }
    // What is extracted to is no part of what is extracted.
    if !matches!(entry.what, What::Link(_)) && !entry.path.is_empty() {
        assert_eq!(metadata.mode() & 0o7777, u32::from(entry.mode), "{}", entry.path);
    }
    for (name, value) in &entry.xattrs {
        let mut buffer = vec![0; 70_000];
        let name = std::str::from_utf8(name).unwrap();
        let length = rustix::fs::getxattr(found, name, &mut buffer[..]).unwrap();
        assert_eq!(&buffer[..length], value, "{} {name}", entry.path);
    }
}

#[test]
fn every_file_comes_out_of_an_image_without_compression() {
    extract_and_compare(None);
}

#[test]
fn every_file_comes_out_of_an_image_with_lz4() {
    extract_and_compare(with(Algorithm::Lz4, 12));
    extract_and_compare(with(Algorithm::Lz4, 3));
}

#[test]
fn every_file_comes_out_of_an_image_with_deflate() {
    extract_and_compare(with(Algorithm::Deflate, 6));
}

#[test]
fn every_file_comes_out_of_an_image_with_zstd() {
    extract_and_compare(with(Algorithm::Zstd, 3));
    extract_and_compare(with(Algorithm::Zstd, 15));
}

/// dump.erofs shows nine bits of the mode; those above were judged by extraction.
#[test]
fn dump_erofs_tells_every_attribute_as_it_went_in() {
    let directory = tempfile::tempdir().unwrap();
    let tree = sample::tree();
    let path = directory.path().join("image");
    fs::write(&path, sample::image(&tree, with(Algorithm::Lz4, 9), 2).0).unwrap();
    for entry in
        tree.iter().filter(|entry| !entry.path.starts_with("names/") && !entry.path.starts_with("sizes/"))
    {
        let mut dump = judges::erofs_utils("dump.erofs");
        let text = run(dump.arg(format!("--path=/{}", entry.path)).arg(&path).env("TZ", "UTC"));
        let (entry, links) = match entry.what {
            What::Link(to) => (tree.iter().find(|entry| entry.path == to).unwrap(), 2),
            What::Directory if entry.path.is_empty() => (entry, 5),
            What::Directory => (entry, 2),
            _ if entry.path == "d/suid" => (entry, 2),
            _ => (entry, 1),
        };
        let (seconds, nanoseconds) = entry.mtime;
        let date = run(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M:%S", &format!("-d@{seconds}")]));
        for expected in [
            format!("Uid: {}   Gid: {}  Access: {:04o}/", entry.uid, entry.gid, entry.mode & 0o777),
            format!("Links: {links} "),
            format!("Timestamp: {}.{nanoseconds:09}", date.trim()),
        ] {
            assert!(text.contains(&expected), "{}: no {expected:?} in\n{text}", entry.path);
        }
        let compact = seconds == BUILD_TIME as i64 && nanoseconds == 0 && entry.uid <= 0xffff;
        assert!(text.contains(if compact { "Inode size: 32" } else { "Inode size: 64" }), "{text}");
    }
}

#[test]
fn the_bytes_do_not_depend_on_the_number_of_threads() {
    let tree = sample::tree();
    for compression in [None, with(Algorithm::Lz4, 9), with(Algorithm::Deflate, 5), with(Algorithm::Zstd, 6)]
    {
        let one = sample::image(&tree, compression, 1).0;
        for threads in [2, 5] {
            assert!(
                sample::image(&tree, compression, threads).0 == one,
                "{compression:?}, {threads} threads"
            );
        }
    }
}

#[test]
fn equal_files_are_stored_once() {
    let entry = |path: &str| Entry::new(path, 0o644, What::File(sample::bytes(1 << 20, 255, 5)));
    let root = Entry::new("", 0o755, What::Directory);
    let once = sample::image(&[root.clone(), entry("a")], None, 1).1.blocks;
    let twice = sample::image(&[root, entry("a"), entry("b")], None, 1).1.blocks;
    assert_eq!(once, twice);
}

#[test]
fn zeros_take_hardly_any_room() {
    let tree =
        [Entry::new("", 0o755, What::Directory), Entry::new("zeros", 0o644, What::File(vec![0; 64 << 20]))];
    // At most three blocks for 2 MiB; the superblock, and the inode with two bytes for each of 16384 blocks.
    for compression in [with(Algorithm::Lz4, 12), with(Algorithm::Zstd, 3)] {
        let blocks = sample::image(&tree, compression, 2).1.blocks;
        assert!(blocks <= 32 * 3 + 1 + 11, "{compression:?}: {blocks} blocks");
    }
}
