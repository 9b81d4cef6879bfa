use std::process::Command;

#[path = "../../../formats/tests/judges/mod.rs"]
mod judges;

use super::*;
use crate::tree::{Content, Inode, Kind, Metadata, TreePath};

const EPOCH: u64 = 1_700_000_000;

fn path(text: &str) -> TreePath {
    text.parse().unwrap()
}

fn inode(kind: Kind, mode: u32, uid: u32) -> Inode {
    let metadata = Metadata { mode, uid, gid: uid + 1, mtime: 1_600_000_000, ..Metadata::default() };
    Inode { metadata, kind }
}

/// A tree with one of everything.
fn sample() -> Tree {
    let file = |text: &str| Kind::File(Content::bytes(text.as_bytes()));
    let mut tree = Tree::default();
    tree.put(&TreePath::ROOT, inode(Kind::Directory, 0o711, 7)).unwrap();
    tree.put(&path("/d"), inode(Kind::Directory, 0o1777, 0)).unwrap();
    tree.put(&path("/d/suid"), inode(file("suid"), 0o4755, 100_000)).unwrap();
    tree.put(&path("/d/big"), inode(Kind::File(Content::bytes(vec![5; 300_000])), 0o600, 1)).unwrap();
    tree.put(&path("/d/null"), inode(Kind::CharDevice(1, 3), 0o666, 0)).unwrap();
    tree.put(&path("/d/disk"), inode(Kind::BlockDevice(8, 17), 0o660, 0)).unwrap();
    tree.put(&path("/d/pipe"), inode(Kind::Fifo, 0o620, 3)).unwrap();
    tree.put(&path("/link"), inode(Kind::Symlink(b"d/suid".to_vec()), 0o777, 0)).unwrap();
    tree.link(path("/hard"), &path("/d/suid"));
    let mut noted = inode(file("noted"), 0o644, 0);
    noted.metadata.xattrs.insert(b"user.note".to_vec(), b"a\nb".to_vec());
    tree.put(&path("/noted"), noted).unwrap();
    tree
}

fn write(tree: &Tree, to: &Path) {
    let writer = RootWriter::new(RootFormat::Squashfs, Compression::Zstd).expect("squashfs-tools");
    writer.write(tree, to, EPOCH, &|_| ()).unwrap();
}

fn unsquashfs(arguments: &[&str], image: &Path) -> String {
    let output = Command::new("unsquashfs")
        .args(arguments)
        .arg(image)
        .env("TZ", "UTC")
        .output()
        .expect("unsquashfs of the package squashfs-tools");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn unsquashfs_finds_every_attribute_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("root.img");
    write(&sample(), &image);
    let listing = unsquashfs(&["-lln"], &image);
    let found: Vec<String> =
        listing.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for expected in [
        "drwx--x--x 0/0 81 2023-11-14 22:13 squashfs-root",
        "drwxrwxrwt 0/1 82 2020-09-13 12:26 squashfs-root/d",
        "-rwsr-xr-x 100000/100001 4 2020-09-13 12:26 squashfs-root/d/suid",
        "-rwsr-xr-x 100000/100001 4 2020-09-13 12:26 squashfs-root/hard",
        "-rw------- 1/2 300000 2020-09-13 12:26 squashfs-root/d/big",
        "crw-rw-rw- 0/1 1, 3 2020-09-13 12:26 squashfs-root/d/null",
        "brw-rw---- 0/1 8, 17 2020-09-13 12:26 squashfs-root/d/disk",
        "prw--w---- 3/4 0 2020-09-13 12:26 squashfs-root/d/pipe",
        "lrwxrwxrwx 0/1 6 2020-09-13 12:26 squashfs-root/link -> d/suid",
    ] {
        // A directory's size is the format's own business.
        let same = |line: &String| {
            let parts = |text: &str| {
                text.split(' ')
                    .enumerate()
                    .filter(|(n, _)| *n != 2 || !text.starts_with('d'))
                    .map(|(_, part)| part.to_owned())
                    .collect::<Vec<_>>()
            };
            parts(line) == parts(expected)
        };
        assert!(found.iter().any(same), "{expected} is missing in\n{listing}");
    }
}

#[test]
fn contents_hard_links_and_attributes_come_out_of_the_image() {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("root.img");
    let mut tree = sample();
    // An ordinary user can unpack neither devices nor other people's files.
    ["/d/null", "/d/disk"].iter().for_each(|name| tree.remove(&path(name)));
    tree.own_by_root();
    write(&tree, &image);
    let out = directory.path().join("out");
    let destination = out.to_str().unwrap();
    unsquashfs(&["-quiet", "-no-progress", "-user-xattrs", "-dest", destination], &image);
    assert_eq!(std::fs::read(out.join("d/big")).unwrap(), vec![5; 300_000]);
    let ino = |name: &str| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(out.join(name)).unwrap());
    assert_eq!(ino("hard"), ino("d/suid"));
    let mut value = [0; 16];
    let length = rustix::fs::getxattr(out.join("noted"), "user.note", &mut value[..]).unwrap();
    assert_eq!(&value[..length], b"a\nb");
}

#[test]
fn the_same_tree_gives_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let images = ["a", "b"].map(|name| directory.path().join(name));
    write(&sample(), &images[0]);
    // Nothing of the time of the build may be in the image.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    write(&sample(), &images[1]);
    assert!(std::fs::read(&images[0]).unwrap() == std::fs::read(&images[1]).unwrap());
}

#[test]
fn what_cannot_be_kept_is_named_file_by_file() {
    let mut tree = sample();
    let metadata = &mut tree.get_mut(&path("/d/big")).unwrap().metadata;
    metadata.xattrs.insert(b"system.posix_acl_access".to_vec(), vec![2, 0, 0, 0]);
    metadata.mtime = -1;
    tree.put(&path("/socket"), inode(Kind::Socket, 0o600, 0)).unwrap();
    let told: Vec<String> = losses(&tree, RootFormat::Squashfs).iter().map(ToString::to_string).collect();
    let expected = [
        "/: its owner: sqfstar gives the root directory to root",
        "/d/big: its POSIX ACL (squashfs has none)",
        "/d/big: its modification time, which is not between 1970 and 2106",
        "/socket: a socket, which a tar stream cannot carry",
    ];
    assert_eq!(told, expected);
    assert_eq!(losses(&tree, RootFormat::Erofs), []);
    let directory = tempfile::tempdir().unwrap();
    write(&tree, &directory.path().join("root.img"));
}

#[test]
fn fsck_erofs_finds_what_squashfs_loses() {
    let mut tree = sample();
    tree.put(&path("/socket"), inode(Kind::Socket, 0o600, 0)).unwrap();
    let metadata = &mut tree.get_mut(&path("/d/big")).unwrap().metadata;
    // user::rw-,group::r--,mask::r--,other::---, user 1000 r--.
    let acl = "0200000001000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000000ffffffff";
    let acl: Vec<u8> =
        (0..acl.len()).step_by(2).map(|at| u8::from_str_radix(&acl[at..at + 2], 16).unwrap()).collect();
    metadata.xattrs.insert(b"system.posix_acl_access".to_vec(), acl.clone());
    metadata.mode = 0o640;
    metadata.mtime_nsec = 5;
    assert_eq!(losses(&tree, RootFormat::Erofs), []);
    let directory = tempfile::tempdir().unwrap();
    let (image, out) = (directory.path().join("root.img"), directory.path().join("out"));
    for compression in [Compression::Lz4, Compression::Zstd, Compression::Gzip] {
        let writer = RootWriter::new(RootFormat::Erofs, compression).unwrap();
        writer.write(&tree, &image, EPOCH, &|_| ()).unwrap();
        let mut fsck = judges::erofs_utils("fsck.erofs");
        fsck.arg(format!("--extract={}", out.display())).args(["--xattrs", "--overwrite"]).arg(&image);
        let output = fsck.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut value = [0; 64];
        let length =
            rustix::fs::getxattr(out.join("d/big"), "system.posix_acl_access", &mut value[..]).unwrap();
        assert_eq!(&value[..length], acl);
        assert!(std::fs::read(out.join("d/big")).unwrap() == vec![5; 300_000]);
        std::fs::remove_dir_all(&out).unwrap();
    }
}

#[test]
fn erofs_is_not_written_with_xz() {
    let error = RootWriter::new(RootFormat::Erofs, Compression::Xz).unwrap_err().to_string();
    assert_eq!(error, "a root cannot be written as EROFS with xz: zstd, gzip and lz4 are written");
}

#[test]
fn files_that_are_named_come_first_in_an_erofs() {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("root.img");
    let mut tree = sample();
    for name in ["/a", "/b", "/c"] {
        // Bytes that no compressor makes smaller: each file is where it is looked for.
        let mut bytes = vec![0; 100_000];
        fastrand::Rng::with_seed(name.as_bytes()[1].into()).fill(&mut bytes);
        tree.put(&path(name), inode(Kind::File(Content::bytes(bytes)), 0o644, 0)).unwrap();
    }
    let position = |first: &[&str], name: &str| {
        let first = first.iter().map(|name| path(name)).collect();
        let writer = RootWriter::new(RootFormat::Erofs, Compression::Lz4).unwrap().with_first(first);
        writer.write(&tree, &image, EPOCH, &|_| ()).unwrap();
        let bytes = std::fs::read(&image).unwrap();
        let Kind::File(content) = &tree.get(&path(name)).unwrap().kind else { panic!("no file") };
        let content = content.read(1 << 20).unwrap();
        bytes.chunks(4096).position(|block| *block == content[..4096]).unwrap()
    };
    assert_eq!(position(&["/missing", "/c", "/b", "/c"], "/c"), 1);
    // Behind 24 whole blocks; the rest of /c lies behind its inode.
    assert_eq!(position(&["/c", "/b"], "/b"), 25);
    assert_eq!(position(&[], "/a"), 1);
}
