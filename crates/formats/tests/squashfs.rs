//! squashfs images that mksquashfs made give every file back, as unsquashfs takes it out.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bootwright_formats::squashfs::{Error, Inode, Kind, Squashfs};
use bootwright_formats::{ExtentKind, ReadAt};

fn run(program: &str, arguments: &[&str], directory: &Path) {
    let output = Command::new(program).args(arguments).current_dir(directory).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}: cargo xtask test installs it"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments:?} ended with {}: {said}", output.status);
}

/// Files of every kind of ending, one full of holes, many names in one directory, links.
fn tree(directory: &Path) {
    let tree = directory.join("tree");
    fs::create_dir_all(tree.join("many/deep/er")).unwrap();
    for size in [0, 1, 4095, 4096, 4097, 131_072, 131_073, 1_000_000] {
        let words = (0_u32..).flat_map(|number| format!("{}\n", number / 3).into_bytes()).take(size);
        fs::write(tree.join(format!("words-{size}")), words.collect::<Vec<_>>()).unwrap();
    }
    let mut state = 1_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    fs::write(tree.join("noise"), noise.take(300_000).collect::<Vec<_>>()).unwrap();
    let holes = File::create(tree.join("holes")).unwrap();
    holes.write_all_at(b"data", 5 << 20).unwrap();
    holes.set_len(9 << 20).unwrap();
    for number in 0..1500 {
        fs::write(tree.join(format!("many/a file with a name that is not short {number}")), "x").unwrap();
    }
    symlink("many/deep", tree.join("link")).unwrap();
}

/// Every path with its inode.
fn walk(squashfs: &Squashfs) -> BTreeMap<String, Inode> {
    let mut found = BTreeMap::new();
    let mut left = vec![(String::new(), squashfs.root().unwrap())];
    while let Some((path, directory)) = left.pop() {
        for entry in squashfs.entries(&directory).unwrap() {
            let inode = squashfs.inode(entry.inode).unwrap();
            let path = format!("{path}/{}", String::from_utf8(entry.name).unwrap());
            if inode.kind == Kind::Directory {
                left.push((path.clone(), inode.clone()));
            }
            found.insert(path, inode);
        }
    }
    found
}

fn all(file: &dyn ReadAt) -> Vec<u8> {
    let mut bytes = vec![0; file.size() as usize];
    file.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

fn judged(options: &[&str]) {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    tree(directory);
    let fixed = ["tree", "image", "-quiet", "-no-progress"];
    run("mksquashfs", &[&fixed[..], options].concat(), directory);
    run("unsquashfs", &["-quiet", "-no-progress", "-dest", "out", "image"], directory);
    let squashfs = Squashfs::open(Arc::new(fs::read(directory.join("image")).unwrap())).unwrap();
    let found = walk(&squashfs);
    assert_eq!(found.len(), 1500 + 3 + 8 + 3);
    for (path, inode) in &found {
        let out = directory.join("out").join(&path[1..]);
        match inode.kind {
            Kind::File => {
                let file = squashfs.file(inode).unwrap();
                assert!(all(&file) == fs::read(&out).unwrap(), "{options:?}: {path}");
            }
            Kind::Symlink => {
                let target = fs::read_link(&out).unwrap();
                assert_eq!(squashfs.target(inode).unwrap(), target.as_os_str().as_encoded_bytes());
            }
            Kind::Directory => assert!(out.is_dir()),
            Kind::Special => panic!("{path}"),
        }
    }
}

#[test]
fn every_file_comes_out_whatever_it_is_compressed_with() {
    for compressor in ["gzip", "xz", "lz4", "zstd"] {
        judged(&["-comp", compressor]);
    }
}

#[test]
fn every_file_comes_out_of_small_and_large_blocks_and_without_compression() {
    judged(&["-b", "4096"]);
    judged(&["-b", "1M", "-comp", "xz", "-Xbcj", "x86"]);
    judged(&["-noI", "-noD", "-noF"]);
    judged(&["-no-fragments", "-comp", "zstd"]);
    judged(&["-always-use-fragments"]);
}

#[test]
fn holes_are_told() {
    let temporary = tempfile::tempdir().unwrap();
    tree(temporary.path());
    run("mksquashfs", &["tree", "image", "-quiet", "-no-progress"], temporary.path());
    let squashfs = Squashfs::open(Arc::new(fs::read(temporary.path().join("image")).unwrap())).unwrap();
    let inode = squashfs.lookup(&squashfs.root().unwrap(), b"holes").unwrap().unwrap();
    let file = squashfs.file(&inode).unwrap();
    let first = file.extent(0).unwrap();
    assert_eq!((first.kind, first.range), (ExtentKind::Zero, 0..5 << 20));
    let data = file.extent(5 << 20).unwrap();
    assert_eq!((data.kind, data.range), (ExtentKind::Data, 5 << 20..(5 << 20) + (128 << 10)));
}

#[test]
fn what_is_cut_off_or_of_another_kind_is_told() {
    let temporary = tempfile::tempdir().unwrap();
    tree(temporary.path());
    run("mksquashfs", &["tree", "image", "-quiet", "-no-progress"], temporary.path());
    let bytes = fs::read(temporary.path().join("image")).unwrap();
    let open = |bytes: &[u8]| Squashfs::open(Arc::new(bytes.to_vec()));
    assert!(matches!(open(b"hello"), Err(Error::Absent)));
    assert!(matches!(open(&bytes[..90]), Err(Error::Damaged { .. })));
    assert!(matches!(open(&bytes[..2000]).unwrap().root(), Err(Error::Read { .. })));
    let mut lzo = bytes.clone();
    lzo[20] = 3;
    assert!(open(&lzo).err().unwrap().to_string().contains("LZO (offset 20), which is not supported"));
}
