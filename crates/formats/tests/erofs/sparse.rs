//! Files that keep their holes.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use bootwright_formats::erofs::reader::Erofs;
use bootwright_formats::erofs::{Algorithm, Compression, Kind, Metadata, Options, Writer};
use bootwright_formats::{ExtentKind, Mosaic, ReadAt};

use crate::{judges, run, sample, with};

/// It ends with data: fsck.erofs 1.8 takes out a file without the hole at its end.
const SIZE: u64 = (30 << 20) + 77 + 200_000;

/// A file with data at these places and holes between them.
fn file(size: u64, pieces: &[(u64, Vec<u8>)]) -> Mosaic {
    let mut mosaic = Mosaic::new(size);
    pieces.iter().for_each(|(at, bytes)| mosaic.bytes(*at, bytes.clone()));
    mosaic
}

/// Data of 300 kB in two places that are no multiples of a block.
fn holes() -> Mosaic {
    file(SIZE, &[(5000, sample::bytes(100_000, 120, 1)), (30 << 20 | 77, sample::bytes(200_000, 120, 2))])
}

fn image(files: &[(&str, &dyn ReadAt)], compression: Option<Compression>, threads: usize) -> Vec<u8> {
    let threads = NonZeroUsize::new(threads).unwrap();
    let options = Options { uuid: [7; 16], build_time: sample::BUILD_TIME, compression, threads };
    let mut writer = Writer::new(Vec::new(), options).unwrap();
    let xattrs = BTreeMap::new();
    let metadata = Metadata { mode: 0o755, uid: 0, gid: 0, mtime: 5, mtime_nsec: 0, xattrs: &xattrs };
    writer.add(b"", &metadata, Kind::Directory).unwrap();
    // Something that the threads are busy with.
    let noise = sample::bytes(5 << 20, 100, 9);
    writer.add(b"noise", &metadata, Kind::File(noise.len() as u64, &mut noise.as_slice())).unwrap();
    for (name, content) in files {
        writer.add(name.as_bytes(), &metadata, Kind::Sparse(*content)).unwrap();
    }
    let (mut image, written) = writer.finish().unwrap();
    image[..written.first_block.len()].copy_from_slice(&written.first_block);
    image
}

fn all(content: &dyn ReadAt) -> Vec<u8> {
    let mut bytes = vec![0; content.size() as usize];
    content.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn fsck_takes_out_a_file_with_its_holes() {
    for compression in [None, with(Algorithm::Lz4, 9), with(Algorithm::Zstd, 3)] {
        let directory = tempfile::tempdir().unwrap();
        let (path, out) = (directory.path().join("image"), directory.path().join("out"));
        fs::write(&path, image(&[("holes", &holes())], compression, 2)).unwrap();
        let mut fsck = judges::erofs_utils("fsck.erofs");
        run(fsck.arg(format!("--extract={}", out.display())).arg(&path));
        assert!(fs::read(out.join("holes")).unwrap() == all(&holes()), "{compression:?}");
        assert!(fs::metadata(out.join("holes")).unwrap().blocks() * 512 < 2 << 20);
        let mut dump = judges::erofs_utils("dump.erofs");
        let told = run(dump.args(["--path=/holes", "-e"]).arg(&path));
        assert!(told.contains(&format!("Size: {SIZE}")) && told.contains("Layout: 4"), "{told}");
    }
}

#[test]
fn the_holes_can_be_found_again() {
    let image = image(&[("holes", &holes())], with(Algorithm::Lz4, 9), 2);
    let erofs = Erofs::open(Arc::new(image)).unwrap();
    let file = erofs.file(&erofs.find(b"holes").unwrap().unwrap()).unwrap();
    let (mut at, mut zeros) = (0, 0);
    while at < SIZE {
        let extent = file.extent(at).unwrap();
        zeros += if extent.kind == ExtentKind::Zero { extent.range.end - at } else { 0 };
        at = extent.range.end;
    }
    assert!(SIZE - zeros < 600_000, "{zeros} bytes are holes");
}

#[test]
fn a_hole_that_is_larger_than_the_disk_takes_no_room_and_no_time() {
    let lastlog = file(3 << 40, &[(292_000, sample::bytes(292, 0, 1))]);
    let image = image(&[("lastlog", &lastlog)], with(Algorithm::Lz4, 9), 2);
    assert!(image.len() < 12 << 20, "{}", image.len());
}

#[test]
fn equal_chunks_are_stored_once() {
    let bytes = sample::bytes(1 << 20, 255, 4);
    let one = file(1 << 30, &[(1 << 20, bytes.clone())]);
    let other = file(1 << 30, &[(1 << 20, bytes.clone()), (512 << 20, bytes)]);
    let once = image(&[("one", &one)], None, 2).len();
    let twice = image(&[("one", &one), ("other", &other)], None, 2).len();
    assert!(twice - once < 512 << 10, "{once} {twice}");
}

#[test]
fn a_file_that_is_half_full_is_compressed_as_any_other() {
    let half = file(4 << 20, &[(0, sample::bytes(2 << 20, 0, 1))]);
    let sparse = image(&[("half", &half)], with(Algorithm::Lz4, 9), 2).len();
    let without = image(&[], with(Algorithm::Lz4, 9), 2).len();
    assert!(sparse - without < 1 << 20, "{sparse} {without}");
}

#[test]
fn the_bytes_do_not_depend_on_the_number_of_threads() {
    for compression in [None, with(Algorithm::Lz4, 9)] {
        let holes = holes();
        let files: &[(&str, &dyn ReadAt)] = &[("a", &holes), ("b", &holes)];
        let one = image(files, compression, 1);
        assert!([2, 5].into_iter().all(|threads| image(files, compression, threads) == one));
    }
}
