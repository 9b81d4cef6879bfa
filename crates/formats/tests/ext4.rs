//! ext2, ext3 and ext4 that mke2fs filled give every file back; damage is named with its place.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs::File;
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bootwright_formats::ext4::{Ext4, Ext4Error, Inode, Kind};
use bootwright_formats::{ExtentKind, FileBytes, ReadAt};

const BLOCK: usize = 4096;

fn run(program: &str, arguments: &[&str], directory: &Path) {
    let path = format!("/usr/local/sbin:/usr/sbin:/sbin:{}", std::env::var("PATH").unwrap());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory).env("PATH", path).env("LC_ALL", "C");
    let output =
        command.output().unwrap_or_else(|error| panic!("{program}: {error}: cargo xtask test installs it"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments:?} ended with {}: {said}", output.status);
}

/// A directory with a large file, one full of holes, many names and links.
fn tree(directory: &Path) {
    let tree = directory.join("tree");
    std::fs::create_dir_all(tree.join("boot/grub")).unwrap();
    std::fs::create_dir(tree.join("many")).unwrap();
    std::fs::write(tree.join("boot/grub/grub.cfg"), "menuentry x {\n}\n").unwrap();
    std::fs::write(tree.join("empty"), "").unwrap();
    // With blocks of 1024 bytes a list of lists of lists begins at 64 MiB, one of lists at 268 KiB.
    let large: Vec<u8> = (0..1_500_000_u32).flat_map(|n| (n / 7).to_le_bytes()).take(5_000_001).collect();
    std::fs::write(tree.join("large"), large).unwrap();
    // 500 pieces that do not follow each other: more than one node of extents holds.
    let holes = File::create(tree.join("holes")).unwrap();
    for piece in 0..500_u64 {
        holes.write_all_at(&[piece as u8 | 1; BLOCK], (piece * 2 + 1) * BLOCK as u64).unwrap();
    }
    holes.set_len(80 << 20).unwrap();
    for number in 0..1200 {
        std::fs::write(tree.join(format!("many/a file with a name that is not short {number}")), "x")
            .unwrap();
    }
    symlink("grub/grub.cfg", tree.join("boot/short")).unwrap();
    symlink(format!("{}grub/grub.cfg", "./".repeat(40)), tree.join("boot/long")).unwrap();
}

fn open(directory: &Path, name: &str) -> Ext4 {
    let file = FileBytes::new(File::open(directory.join(name)).unwrap()).unwrap();
    Ext4::open(Arc::new(file)).unwrap()
}

fn find(ext4: &Ext4, path: &str) -> Inode {
    let step = |at: Inode, name: &str| ext4.lookup(&at, name.as_bytes()).unwrap().unwrap();
    path.split('/').fold(ext4.root().unwrap(), step)
}

/// All bytes, holes by what `extent` says.
fn content(file: &impl ReadAt) -> (Vec<u8>, u64) {
    let (mut bytes, mut holes, mut at) = (vec![0; file.size() as usize], 0, 0);
    while at < file.size() {
        let extent = file.extent(at).unwrap();
        assert!(extent.range.start == at && extent.range.end > at && extent.range.end <= file.size());
        match extent.kind {
            ExtentKind::Data => {
                file.read_exact_at(at, &mut bytes[at as usize..extent.range.end as usize]).unwrap();
            }
            ExtentKind::Zero => holes += extent.range.end - at,
        }
        at = extent.range.end;
    }
    (bytes, holes)
}

#[test]
fn every_kind_that_mke2fs_makes_gives_its_files_back() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    tree(directory);
    let kinds: [&[&str]; 7] = [
        &["-t", "ext4"],
        &["-t", "ext4", "-b", "1024", "-O", "^64bit", "-I", "128"],
        &["-t", "ext4", "-b", "2048", "-O", "meta_bg,^resize_inode", "-g", "1024"],
        &["-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode,^64bit,^sparse_super", "-g", "512"],
        &["-t", "ext4", "-O", "bigalloc,sparse_super2"],
        &["-t", "ext3", "-b", "1024"],
        &["-t", "ext2", "-r", "0"],
    ];
    for (number, options) in kinds.iter().enumerate() {
        let name = format!("disk{number}");
        run("mke2fs", &[&["-q", "-d", "tree"][..], options, &[&name, "128M"]].concat(), directory);
        run("e2fsck", &["-fn", &name], directory);
        let ext4 = open(directory, &name);
        for path in ["large", "holes", "empty", "boot/grub/grub.cfg"] {
            let (bytes, holes) = content(&ext4.file(&find(&ext4, path)).unwrap());
            assert!(
                bytes == std::fs::read(directory.join("tree").join(path)).unwrap(),
                "{options:?}: {path}"
            );
            assert!(path != "holes" || holes > 70 << 20, "{options:?}: only {holes} bytes of holes");
        }
        let names = ext4.entries(&find(&ext4, "many")).unwrap();
        assert_eq!(names.len(), 1200, "{options:?}");
        assert_eq!(ext4.target(&find(&ext4, "boot/short")).unwrap(), b"grub/grub.cfg");
        assert_eq!(ext4.target(&find(&ext4, "boot/long")).unwrap().len(), 93);
        assert_eq!(find(&ext4, "boot").kind, Kind::Directory);
        let superblock = ext4.superblock();
        assert_eq!(superblock.blocks * superblock.block_size, 128 << 20);
    }
}

/// A file system with blocks of 1024 bytes, as bytes to be changed.
fn small(directory: &Path) -> Vec<u8> {
    std::fs::create_dir(directory.join("few")).unwrap();
    let holes = File::create(directory.join("few/holes")).unwrap();
    for piece in 0..20_u64 {
        holes.write_all_at(b"x", piece * 2048).unwrap();
    }
    let options =
        ["-q", "-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^has_journal", "-d", "few", "disk", "1M"];
    run("mke2fs", &options, directory);
    std::fs::read(directory.join("disk")).unwrap()
}

#[test]
fn a_map_that_leads_to_itself_or_outside_is_an_error_with_its_offset() {
    let temporary = tempfile::tempdir().unwrap();
    let bytes = small(temporary.path());
    let ext4 = Ext4::open(Arc::new(bytes.clone())).unwrap();
    let inode = find(&ext4, "holes");
    assert_eq!(content(&ext4.file(&inode).unwrap()).0.len(), 19 * 2048 + 1);
    // The map of the inode with one level of index, and the node that its only entry names.
    let at = bytes.windows(8).position(|eight| eight == [0x0a, 0xf3, 1, 0, 4, 0, 1, 0]).unwrap();
    let node = u32::from_le_bytes(bytes[at + 16..at + 20].try_into().unwrap()) as usize * 1024;
    let changes: [(usize, &[u8], &str); 5] = [
        (at + 16, &[0xff, 0xff, 0xff, 0x7f], "its map is in block 2147483647, which cannot be"),
        (node, b"no", "a node of its extents is damaged"),
        (node + 2, &[0xff, 0xff], "a node of its extents is damaged"),
        // A leaf that says that it is an index, as one of a circle has to.
        (node + 6, &[1, 0], "a node of its extents is damaged"),
        (node + 12 + 8, &[0xff, 0xff, 0xff, 0], "past the file system's end"),
    ];
    for (at, new, wanted) in changes {
        let mut broken = bytes.clone();
        broken[at..at + new.len()].copy_from_slice(new);
        let ext4 = Ext4::open(Arc::new(broken)).unwrap();
        let file = ext4.file(&find(&ext4, "holes")).unwrap();
        let error = file.read_exact_at(0, &mut [0; 40_000][..19 * 2048]).unwrap_err().to_string();
        assert!(error.contains(wanted) && error.starts_with("ext4: byte "), "{error}");
    }
}

#[test]
fn damaged_directories_and_superblocks_are_named() {
    let temporary = tempfile::tempdir().unwrap();
    let bytes = small(temporary.path());
    let name = bytes.windows(5).position(|five| five == b"holes").unwrap();
    for length in [[0, 0], [7, 0], [0xff, 0xff]] {
        let mut broken = bytes.clone();
        broken[name - 4..name - 2].copy_from_slice(&length);
        let ext4 = Ext4::open(Arc::new(broken)).unwrap();
        let error = ext4.entries(&ext4.root().unwrap()).unwrap_err().to_string();
        assert!(error.contains("of this directory is damaged"), "{error}");
    }
    let fields: [(usize, &[u8], &str); 5] = [
        (0x20, &[0; 4], "byte 1056: s_blocks_per_group is 0"),
        (0x28, &[0; 4], "byte 1064: s_inodes_per_group is 0"),
        (0x58, &[0xff; 2], "byte 1112: s_inode_size is 65535"),
        (0xfe, &[1, 0], "byte 1278: s_desc_size is 1"),
        (0x60, &[0xff; 4], "is not supported"),
    ];
    for (at, new, wanted) in fields {
        let mut broken = bytes.clone();
        broken[1024 + at..1024 + at + new.len()].copy_from_slice(new);
        let error = Ext4::open(Arc::new(broken)).err().unwrap().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    assert!(matches!(Ext4::open(Arc::new(vec![0; 4096])), Err(Ext4Error::Absent)));
    assert!(matches!(Ext4::open(Arc::new(vec![0; 100])), Err(Ext4Error::Absent)));
    for end in [2048, 4096, 10_000, 40_000] {
        let Ok(ext4) = Ext4::open(Arc::new(bytes[..end].to_vec())) else { continue };
        let read = ext4.root().and_then(|root| ext4.lookup(&root, b"holes"));
        assert!(read.is_err(), "cut off at {end}: {read:?}");
    }
}
