//! Judges: GNU tar and GNU cpio, which pack; the file system, which shows what was made of it.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use bootwright_formats::tar::{Writer, Written};
use tempfile::TempDir;

use super::*;

const ROOM: u64 = 1 << 20;

fn directory() -> (TempDir, OwnedFd) {
    let directory = tempfile::tempdir().unwrap();
    let descriptor = fs::File::open(directory.path()).unwrap().into();
    (directory, descriptor)
}

/// Owned by whoever runs the test, who may make that.
fn mine(mode: u32) -> Metadata {
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    Metadata { mode, uid, gid, mtime: 1_700_000_000, ..Metadata::default() }
}

fn archive(members: &[(&[u8], Written<'_>)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (name, what) in members {
        writer.header(name, &mine(0o755), *what).unwrap();
        if let Written::File(size) = what {
            writer.data(&mut std::io::repeat(b'x'), *size).unwrap();
        }
    }
    writer.finish().unwrap()
}

fn unpack(members: &[(&[u8], Written<'_>)]) -> (TempDir, Result<Unpacked, TreeError>) {
    let (directory, root) = directory();
    let unpacked = tar(&archive(members)[..], root, ROOM);
    (directory, unpacked)
}

/// The member's name and the problem, as people read them.
fn refused(members: &[(&[u8], Written<'_>)]) -> String {
    crate::failure::chain(&unpack(members).1.unwrap_err())
}

fn sample(root: &Path) {
    fs::create_dir_all(root.join("usr/lib")).unwrap();
    symlink("usr/lib", root.join("lib")).unwrap();
    fs::write(root.join("usr/lib/file"), "content").unwrap();
    fs::set_permissions(root.join("usr/lib/file"), fs::Permissions::from_mode(0o4750)).unwrap();
    fs::hard_link(root.join("usr/lib/file"), root.join("usr/second")).unwrap();
    symlink("/absolute/target", root.join("usr/link")).unwrap();
    assert!(Command::new("mkfifo").arg(root.join("usr/fifo")).status().unwrap().success());
}

fn is_the_sample(root: &Path) {
    let file = fs::metadata(root.join("usr/lib/file")).unwrap();
    assert_eq!((file.mode() & 0o7777, file.nlink()), (0o4750, 2));
    assert_eq!(fs::read_to_string(root.join("usr/second")).unwrap(), "content");
    assert_eq!(fs::read_link(root.join("usr/link")).unwrap(), Path::new("/absolute/target"));
    assert_eq!(fs::read_link(root.join("lib")).unwrap(), Path::new("usr/lib"));
    assert!(fs::metadata(root.join("usr/fifo")).unwrap().file_type().is_fifo());
}

#[test]
fn what_gnu_tar_packs_is_made_as_it_was() {
    let (from, _) = directory();
    sample(from.path());
    for format in ["gnu", "pax", "ustar"] {
        let mut packer = Command::new("tar");
        let packed =
            packer.args(["-c", "--format", format, "-C"]).arg(from.path()).arg(".").output().unwrap();
        assert!(packed.status.success());
        let (to, root) = directory();
        let unpacked = tar(&packed.stdout[..], root, ROOM).unwrap();
        is_the_sample(to.path());
        assert_eq!((unpacked.bytes, unpacked.refused), (7, None), "{format}");
        let time = |root: &Path| fs::metadata(root.join("usr")).unwrap().mtime();
        assert_eq!(time(to.path()), time(from.path()), "directories have their times, too");
    }
}

#[test]
fn holes_of_an_archive_are_holes_again() {
    const SIZE: u64 = 64 << 20;
    let (from, _) = directory();
    let holed = fs::File::create(from.path().join("holes")).unwrap();
    for at in [0, 5 << 20, SIZE - 4096] {
        std::os::unix::fs::FileExt::write_all_at(&holed, b"something", at).unwrap();
    }
    holed.set_len(SIZE).unwrap();
    for format in ["gnu", "pax"] {
        let mut packer = Command::new("tar");
        packer.args(["-c", "--sparse", "--format", format, "-C"]).arg(from.path()).arg(".");
        let (to, root) = directory();
        let unpacked = tar(&packer.output().unwrap().stdout[..], root, ROOM).unwrap();
        assert!(unpacked.bytes < ROOM, "{format}: holes take no room");
        let same = Command::new("cmp").arg(from.path().join("holes")).arg(to.path().join("holes")).status();
        assert!(same.unwrap().success(), "{format}");
        assert!(fs::metadata(to.path().join("holes")).unwrap().blocks() * 512 < ROOM, "{format}");
    }
}

#[test]
fn what_gnu_cpio_packs_is_made_as_it_was() {
    let (from, _) = directory();
    sample(from.path());
    let mut child = Command::new("sh")
        .args(["-c", "find . | cpio -o -H newc --quiet"])
        .current_dir(from.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut packed = Vec::new();
    Read::read_to_end(&mut child.stdout.take().unwrap(), &mut packed).unwrap();
    assert!(child.wait().unwrap().success(), "cpio of the package cpio");
    // Two archives in a row, as an initramfs may be.
    packed.extend(packed.clone());
    let (to, root) = directory();
    cpio(&packed[..], root, ROOM).unwrap();
    is_the_sample(to.path());
}

#[test]
fn a_name_that_leads_out_is_refused_with_its_place() {
    let file = Written::File(1);
    let error = refused(&[(b"good", file), (b"a/../../etc/passwd", file)]);
    assert_eq!(
        error,
        "the archive's member a/../../etc/passwd (at byte 1024, unpacked) cannot be made: its name leads out of the archive (..)"
    );
    assert!(refused(&[(b"link", Written::HardLink(b"../outside"))]).contains("leads out"));
    assert!(refused(&[(&[b'a'; 300], file)]).contains("more than 255 bytes"));
    assert!(refused(&[(b"./", Written::Symlink(b"/"))]).contains("that of the root"));
}

#[test]
fn links_lead_nowhere_but_into_the_root() {
    let (outside, _) = directory();
    let out = outside.path().as_os_str().as_encoded_bytes().to_vec();
    let up = b"../../../../../../../../../../tmp".to_vec();
    // A directory is taken to be below what the link says, with the new root as `/`: it is not there.
    for link in [&out[..], &up, b"/proc/self/root", b"/proc/self/cwd"] {
        let error = refused(&[(b"out", Written::Symlink(link)), (b"out/file", Written::File(1))]);
        assert!(error.contains("what should be its directory is none"), "{error}");
        let error = refused(&[(b"out", Written::Symlink(link)), (b"hard", Written::HardLink(b"out/file"))]);
        assert!(error.contains("no such file comes before it"), "{error}");
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    // A link as the last part is replaced, not written through.
    fs::write(outside.path().join("target"), "kept").unwrap();
    let target = outside.path().join("target");
    let target = target.as_os_str().as_encoded_bytes();
    let (to, unpacked) = unpack(&[(b"x", Written::Symlink(target)), (b"x", Written::File(3))]);
    unpacked.unwrap();
    assert_eq!(fs::read_to_string(to.path().join("x")).unwrap(), "xxx");
    assert_eq!(fs::read_to_string(outside.path().join("target")).unwrap(), "kept");
    // One to a directory of the root is followed there, though it is written as an absolute one.
    let (to, unpacked) = unpack(&[
        (b"usr/lib/", Written::Directory),
        (b"lib", Written::Symlink(b"/usr/lib")),
        (b"lib/", Written::Directory),
        (b"lib/file", Written::File(1)),
    ]);
    unpacked.unwrap();
    assert!(to.path().join("usr/lib/file").is_file());
    assert!(to.path().join("lib").is_symlink());
}

#[test]
fn a_later_member_takes_the_place_of_an_earlier_one_unless_that_is_full() {
    let (to, unpacked) = unpack(&[
        (b"a/", Written::Directory),
        (b"a", Written::File(2)),
        (b"a", Written::Fifo),
        (b"a", Written::HardLink(b"a")),
    ]);
    unpacked.unwrap();
    assert!(fs::metadata(to.path().join("a")).unwrap().file_type().is_fifo());
    let error = refused(&[(b"a/b", Written::File(1)), (b"a", Written::Symlink(b"x"))]);
    assert!(error.ends_with("a directory of that name is there already, and is not empty"), "{error}");
}

#[test]
fn devices_are_made_and_hard_links_to_nothing_are_not() {
    // The device 0:0, a whiteout, may be made by anybody; others take root, which the agent is.
    let (to, unpacked) = unpack(&[(b"null", Written::CharDevice(0, 0))]);
    unpacked.unwrap();
    assert!(fs::symlink_metadata(to.path().join("null")).unwrap().file_type().is_char_device());
    assert!(refused(&[(b"a", Written::HardLink(b"b"))]).contains("hard link to b, and no such file"));
    assert!(
        refused(&[(b"d/", Written::Directory), (b"a", Written::HardLink(b"d"))]).contains("no such file")
    );
}

#[test]
fn attributes_are_kept_where_the_file_system_takes_them() {
    let mut writer = Writer::new(Vec::new());
    let xattrs = BTreeMap::from([(b"user.note".to_vec(), b"a\nb".to_vec())]);
    writer.header(b"file", &Metadata { xattrs, ..mine(0o600) }, Written::File(0)).unwrap();
    let bytes = writer.finish().unwrap();
    let (to, root) = directory();
    let unpacked = tar(&bytes[..], root, ROOM).unwrap();
    let mut value = [0; 16];
    match (rustix::fs::getxattr(to.path().join("file"), "user.note", &mut value), unpacked.refused) {
        (Ok(length), None) => assert_eq!(&value[..length], b"a\nb"),
        (Err(_), refused) => assert_eq!(refused, Some((1, "user.note".to_owned()))),
        (kept, refused) => panic!("{kept:?} {refused:?}"),
    }
}

#[test]
fn a_bomb_meets_its_limit_before_it_takes_room() {
    let error = refused(&[(b"small", Written::File(1)), (b"large", Written::File(ROOM))]);
    assert!(error.contains("member large") && error.contains("more than 1 MiB"), "{error}");
}

#[test]
fn an_archive_that_is_cut_off_says_where() {
    let whole = archive(&[(b"a", Written::File(10)), (b"b", Written::File(5000))]);
    for (length, word) in [(2000, "member b (at byte 1024"), (1200, "at byte 1024"), (700, "at byte 522")] {
        let (_to, root) = directory();
        let error = crate::failure::chain(&tar(&whole[..length], root, ROOM).unwrap_err());
        assert!(error.contains(word) && error.contains("cut short"), "{length}: {error}");
    }
    let (_to, root) = directory();
    let mut packer = cpio::Writer::new(Vec::new(), 0);
    let attributes = cpio::Attributes::EXECUTABLE;
    packer.file("name", attributes, 100, &[7; 100][..]).unwrap();
    let mut bytes = packer.finish().unwrap();
    bytes.truncate(150);
    let error = crate::failure::chain(&cpio(&bytes[..], root, ROOM).unwrap_err());
    assert!(error.contains("member name (at byte 0"), "{error}");
}
