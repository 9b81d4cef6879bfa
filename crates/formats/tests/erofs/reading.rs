//! Images that mkfs.erofs made, and our own, read file by file and compared with the tree that went in.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use bootwright_formats::erofs::Algorithm;
use bootwright_formats::erofs::reader::{Erofs, Inode, Kind};
use bootwright_formats::{Extent, ExtentKind, FileBytes, ReadAt};

use crate::sample::{self, Entry, What};
use crate::{archive, judges, run};

/// Every path but the one below which nothing is compared.
fn read(image: &Path) -> (Erofs, BTreeMap<String, Inode>) {
    let image = Erofs::open(Arc::new(FileBytes::new(fs::File::open(image).unwrap()).unwrap())).unwrap();
    let mut found = BTreeMap::new();
    image
        .walk(&mut |path, inode| {
            found.insert(String::from_utf8(path.to_vec()).unwrap(), inode.clone());
        })
        .unwrap();
    (image, found)
}

/// What a reader of a file gives, in pieces of odd sizes.
fn bytes(image: &Erofs, inode: &Inode) -> Vec<u8> {
    let file = image.file(inode).unwrap();
    let mut bytes = vec![0; inode.size as usize];
    let mut at = 0;
    for length in [1, 4095, 70_001].into_iter().cycle() {
        if at == bytes.len() {
            break;
        }
        let end = bytes.len().min(at + length);
        file.read_exact_at(at as u64, &mut bytes[at..end]).unwrap();
        at = end;
    }
    let mut end = [0; 5];
    let from = inode.size.saturating_sub(3);
    let count = file.read_at(from, &mut end).unwrap() as u64;
    assert!(count == 0 || end[..count as usize] == bytes[from as usize..][..count as usize]);
    assert_eq!(file.read_at(inode.size, &mut end).unwrap(), 0);
    bytes
}

fn compare(tree: &[Entry], image: &Path) {
    let (image, found) = read(image);
    for entry in tree {
        let inode = found.get(&entry.path).unwrap_or_else(|| panic!("{} is missing", entry.path));
        let of = |what: &What| match what {
            What::Link(to) => (tree.iter().find(|entry| entry.path == *to).unwrap(), 2),
            _ => (entry, u32::from(entry.path == "d/suid") + 1),
        };
        let (entry, links) = of(&entry.what);
        let path = &entry.path;
        let kind = match &entry.what {
            What::Directory => Kind::Directory,
            What::File(content) => {
                assert_eq!(inode.size, content.len() as u64, "{path}");
                assert!(bytes(&image, inode) == *content, "{path}");
                Kind::File
            }
            What::Symlink(target) => {
                assert_eq!(image.target(inode).unwrap(), *target);
                Kind::Symlink
            }
            What::Fifo => Kind::Fifo,
            What::Socket => Kind::Socket,
            What::CharDevice(major, minor) => Kind::CharDevice(*major, *minor),
            What::BlockDevice(major, minor) => Kind::BlockDevice(*major, *minor),
            What::Link(_) => unreachable!(),
        };
        assert_eq!(inode.kind, kind, "{path}");
        assert_eq!((inode.mode, inode.uid, inode.gid), (entry.mode, entry.uid, entry.gid), "{path}");
        assert_eq!((inode.mtime, inode.mtime_nsec), entry.mtime, "{path}");
        if kind != Kind::Directory {
            assert_eq!(inode.nlink, links, "{path}");
        }
        let xattrs: BTreeMap<_, _> = image.xattrs(inode).unwrap().into_iter().collect();
        assert_eq!(xattrs, entry.xattrs, "{path}");
    }
    assert_eq!(found.len(), tree.len(), "files that nobody put in");
    let link = image.find(b"/link").unwrap().unwrap();
    assert_eq!(link, found["d/suid"]);
    assert_eq!(image.find(b"d/../names/./name-7").unwrap(), found.get("names/name-7").cloned());
    assert_eq!(image.find(b"d/nothing").unwrap(), None);
}

/// Makes an image by mkfs.erofs and compares it.
fn made_with(options: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    let (tar, image) = (directory.path().join("tar"), directory.path().join("image"));
    let mut tree = sample::tree();
    // Of files without order and of nearly a block mkfs.erofs 1.8.6 writes the end as zeros with -Eztailpacking.
    tree.retain(|entry| !matches!(entry.what, What::Socket) && entry.path != "sizes/4064-255");
    fs::write(&tar, archive::tar(&tree)).unwrap();
    let mut mkfs = judges::erofs_utils("mkfs.erofs");
    // With two, mkfs.erofs 1.8.6 mixes up small files of a tar now and then: fsck.erofs takes out the same.
    mkfs.args(["--quiet", "--workers=1", "--tar=f"]).args(options).arg(&image).arg(&tar);
    run(&mut mkfs);
    compare(&tree, &image);
}

macro_rules! made_with {
    ($($name:ident: $($options:literal)*,)*) => {
        $(#[test]
        fn $name() {
            made_with(&[$($options),*]);
        })*
    };
}

made_with! {
    files_as_they_are_are_read: ,
    lz4_is_read: "-zlz4hc,9",
    lz4_in_large_clusters_is_read: "-zlz4hc,12" "-C1048576",
    lz4_behind_inodes_is_read: "-zlz4hc" "-C65536" "-Eztailpacking",
    lz4_with_full_indexes_is_read: "-zlz4" "-Elegacy-compress",
    zstandard_is_read: "-zzstd,level=9" "-C65536" "-Eztailpacking",
    deflate_is_read: "-zdeflate,6" "-C65536" "-Eztailpacking",
    lzma_is_read: "-zlzma,6" "-C65536",
    several_compressors_are_read: "-zlz4hc:zstd" "-C65536",
    small_blocks_are_read: "-b512" "-zlz4hc",
}

/// A directory with a sparse file, equal files and attributes, as an image by mkfs.erofs.
fn of_directory(options: &[&str], with: impl Fn(&Path, &Path)) {
    let directory = tempfile::tempdir().unwrap();
    let (from, image) = (directory.path().join("from"), directory.path().join("image"));
    fs::create_dir(&from).unwrap();
    for entry in sample::tree() {
        match &entry.what {
            What::Directory => fs::create_dir_all(from.join(&entry.path)).unwrap(),
            // See `made_with`.
            What::File(bytes) if entry.path != "sizes/4064-255" => {
                fs::write(from.join(&entry.path), bytes).unwrap();
            }
            _ => {}
        }
    }
    let sparse = fs::File::create(from.join("sparse")).unwrap();
    sparse.set_len(9 << 20).unwrap();
    for (at, length) in [(0, 5), (3 << 20, 70_000), (6_000_000, 1)] {
        sparse.write_all_at(&sample::bytes(length, 200, at), at).unwrap();
    }
    for name in ["twice-a", "twice-b"] {
        let path = from.join(name);
        for (attribute, value) in [("user.same", "everywhere"), ("user.note", name)] {
            rustix::fs::setxattr(&path, attribute, value.as_bytes(), rustix::fs::XattrFlags::CREATE).unwrap();
        }
    }
    let mut mkfs = judges::erofs_utils("mkfs.erofs");
    run(mkfs.args(["--quiet", "--workers=1"]).args(options).arg(&image).arg(&from));
    with(&image, &from);
}

/// Bytes, holes that are none of data, and attributes.
fn is_the_directory(image: &Path, from: &Path) {
    let (image, found) = read(image);
    assert!(found.len() > 800);
    for (name, inode) in found.iter().filter(|(_, inode)| inode.kind == Kind::File) {
        assert!(bytes(&image, inode) == fs::read(from.join(name)).unwrap(), "{name}");
    }
    let xattrs: BTreeMap<_, _> = image.xattrs(&found["twice-b"]).unwrap().into_iter().collect();
    let expected: [(&[u8], &[u8]); 2] = [(b"user.note", b"twice-b"), (b"user.same", b"everywhere")];
    assert_eq!(xattrs, expected.map(|(name, value)| (name.to_vec(), value.to_vec())).into());
}

#[test]
fn prefixes_of_attributes_are_read() {
    let prefixes = ["--xattr-prefix=user.sa", "--xattr-prefix=user.no"];
    of_directory(&prefixes, is_the_directory);
    of_directory(&[&prefixes[..], &["-zlz4", "-Efragments"]].concat(), is_the_directory);
}

/// Out of a tar mkfs.erofs 1.8.6 does not write all of them.
#[test]
fn fragments_are_read() {
    of_directory(&["-zlz4hc", "-Eall-fragments"], is_the_directory);
    of_directory(&["-zlz4hc", "-C65536", "-Efragments"], is_the_directory);
    of_directory(&["-zlzma", "-C131072", "-Efragments"], is_the_directory);
}

#[test]
fn extents_that_several_files_have_are_read() {
    of_directory(&["-zlz4hc", "-C32768", "-Ededupe"], is_the_directory);
    of_directory(&["-zzstd", "-C131072", "-Eall-fragments,dedupe"], is_the_directory);
    of_directory(&["-zlz4hc", "-C65536", "-Eztailpacking,fragments,dedupe"], is_the_directory);
}

#[test]
fn holes_of_chunks_are_told() {
    of_directory(&["--chunksize=8192"], |image, from| {
        is_the_directory(image, from);
        let (image, found) = read(image);
        let file = image.file(&found["sparse"]).unwrap();
        let (mut at, mut data) = (0, 0);
        while at < file.size() {
            let Extent { range, kind } = file.extent(at).unwrap();
            assert!(range.start == at && range.end > at);
            data += if kind == ExtentKind::Data { range.end - range.start } else { 0 };
            at = range.end;
        }
        assert_eq!(at, 9 << 20);
        assert!((70_006..200_000).contains(&data), "{data} bytes of data");
    });
}

#[test]
fn data_on_another_device_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let device = directory.path().join("device");
    fs::File::create(&device).unwrap();
    let device = format!("--blobdev={}", device.display());
    of_directory(&["--chunksize=65536", &device], |image, _| {
        let (image, found) = read(image);
        let error = image.file(&found["twice-a"]).unwrap().read_at(0, &mut [0; 9]).unwrap_err().to_string();
        assert!(error.contains("a chunk is on another device (number 1)"), "{error}");
    });
}

#[test]
fn our_own_images_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image");
    let tree = sample::tree();
    for compression in [None, crate::with(Algorithm::Lz4, 9), crate::with(Algorithm::Deflate, 5)] {
        fs::write(&path, sample::image(&tree, compression, 2).0).unwrap();
        compare(&tree, &path);
    }
}
