use std::collections::BTreeMap;
use std::io::Cursor;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;

pub(super) fn read(bytes: &[u8]) -> Result<Vec<Member>, TarError> {
    let mut reader = Reader::new(bytes);
    let mut members = Vec::new();
    while let Some(member) = reader.next_member()? {
        members.push(member);
    }
    Ok(members)
}

/// The same of a file, whose data are not read.
pub(super) fn skim(bytes: &[u8]) -> Result<Vec<Member>, TarError> {
    let mut reader = Reader::new(Cursor::new(bytes));
    let mut members = Vec::new();
    while let Some(member) = reader.next_member()? {
        reader.pass_over()?;
        members.push(member);
    }
    Ok(members)
}

pub(super) fn named<'a>(members: &'a [Member], name: &[u8]) -> &'a Member {
    members.iter().find(|member| member.name == name).unwrap()
}

fn write(members: &[(Vec<u8>, Metadata, Written<'_>)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (path, metadata, what) in members {
        writer.header(path, metadata, *what).unwrap();
        if let Written::File(size) = what {
            writer.data(&mut std::io::repeat(7), *size).unwrap();
        }
    }
    writer.finish().unwrap()
}

fn one(path: &[u8], metadata: &Metadata, what: Written<'_>) -> Vec<u8> {
    write(&[(path.to_vec(), metadata.clone(), what)])
}

/// What GNU tar packs of a directory that `prepare` filled.
pub(super) fn gnu_tar(options: &[&str], prepare: impl FnOnce(&std::path::Path)) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    prepare(directory.path());
    let output = Command::new("tar")
        .args(["-c", "-C"])
        .arg(directory.path())
        .args(options)
        .arg(".")
        .output()
        .expect("tar of the package tar");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn what_gnu_tar_packs_is_read_in_each_of_its_formats() {
    let long = "d".repeat(120);
    for format in ["gnu", "pax", "ustar"] {
        let bytes = gnu_tar(&[&format!("--format={format}"), "--sort=name"], |root| {
            std::fs::create_dir(root.join("dir")).unwrap();
            std::fs::write(root.join("dir/file"), b"hello").unwrap();
            std::fs::hard_link(root.join("dir/file"), root.join("dir/link")).unwrap();
            std::os::unix::fs::symlink("../target", root.join("symlink")).unwrap();
            if format != "ustar" {
                std::fs::write(root.join(&long), b"").unwrap();
            }
        });
        let members = read(&bytes).unwrap();
        let sorted = |mut names: Vec<Vec<u8>>| {
            names.sort();
            names
        };
        let mut expected = vec![&b"./"[..], b"./dir/", b"./dir/file", b"./dir/link", b"./symlink"];
        let of_long = format!("./{long}");
        if format != "ustar" {
            expected.push(of_long.as_bytes());
        }
        let expected = sorted(expected.into_iter().map(<[u8]>::to_vec).collect());
        assert_eq!(sorted(members.iter().map(|member| member.name.clone()).collect()), expected, "{format}");
        let file = named(&members, b"./dir/file");
        let MemberKind::File { offset, size: 5 } = file.kind else { panic!("{file:?}") };
        assert_eq!(&bytes[offset as usize..][..5], b"hello");
        assert_eq!(named(&members, b"./dir/link").kind, MemberKind::HardLink(file.name.clone()));
        assert_eq!(skim(&bytes).unwrap(), members);
    }
}

#[test]
fn data_are_read_as_far_as_wanted_and_the_rest_is_passed_over() {
    let bytes = write(&[
        (b"a".to_vec(), Metadata::default(), Written::File(1000)),
        (b"b".to_vec(), Metadata::default(), Written::File(3)),
    ]);
    let mut reader = Reader::new(&bytes[..]);
    assert_eq!(reader.next_member().unwrap().unwrap().name, b"a");
    let mut some = [0; 10];
    std::io::Read::read_exact(&mut reader.data(), &mut some).unwrap();
    assert_eq!(reader.next_member().unwrap().unwrap().name, b"b");
    let mut all = Vec::new();
    std::io::Read::read_to_end(&mut reader.data(), &mut all).unwrap();
    assert_eq!((some, all.as_slice()), ([7; 10], &[7; 3][..]));
    assert_eq!(reader.next_member().unwrap(), None);
}

#[test]
fn gnu_tar_reads_what_we_write() {
    let long = [b"d/".as_slice(), &b"x".repeat(200)].concat();
    let metadata =
        Metadata { mode: 0o4755, uid: 3_000_000, gid: 8, mtime: 1_700_000_000, ..Metadata::default() };
    let bytes = write(&[
        (b"d/".to_vec(), metadata.clone(), Written::Directory),
        (long.clone(), metadata.clone(), Written::File(3)),
        (b"null".to_vec(), metadata.clone(), Written::CharDevice(1, 3)),
        (b"hard".to_vec(), metadata, Written::HardLink(&long)),
    ]);
    let mut child = Command::new("tar")
        .args(["-tvf", "-", "--numeric-owner", "--utc"])
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("tar of the package tar");
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(output.status.success() && lines.len() == 4, "{text}");
    assert!(
        lines[0].starts_with("drwsr-xr-x 3000000/8 ") && lines[0].ends_with("2023-11-14 22:13 d/"),
        "{text}"
    );
    assert!(lines[1].starts_with("-rwsr-xr-x 3000000/8 "), "{text}");
    assert!(lines[2].contains("1,3"), "{text}");
    assert!(lines[3].contains("hard link to d/xxx"), "{text}");
}

#[test]
fn an_attribute_with_line_breaks_in_its_value_survives() {
    let value = b"\x01\n12 path=evil\n\x00\xff".to_vec();
    let xattrs = BTreeMap::from([(b"security.capability".to_vec(), value.clone())]);
    let metadata = Metadata { xattrs, ..Metadata::default() };
    let members = read(&one(b"bin", &metadata, Written::File(0))).unwrap();
    assert_eq!(members[0].name, b"bin");
    assert_eq!(members[0].metadata.xattrs[b"security.capability".as_slice()], value);
}

#[test]
fn an_archive_that_is_cut_anywhere_is_called_cut() {
    let whole = one(b"file", &Metadata::default(), Written::File(600));
    assert_eq!(read(&whole).unwrap().len(), 1);
    for length in (0..whole.len() - 2 * BLOCK as usize).step_by(100) {
        for error in [read(&whole[..length]).unwrap_err(), skim(&whole[..length]).unwrap_err()] {
            assert!(matches!(error.problem, TarProblem::Truncated), "{length}: {error:?}");
        }
    }
}

#[test]
fn a_damaged_header_is_found_by_its_checksum() {
    let mut bytes = one(b"file", &Metadata::default(), Written::File(0));
    bytes[101] ^= 1;
    assert!(matches!(read(&bytes).unwrap_err().problem, TarProblem::Checksum));
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let names = "[a-z.]{1,10}".prop_map(String::into_bytes);
    let xattrs = proptest::collection::btree_map(names, proptest::collection::vec(any::<u8>(), 0..40), 0..3);
    let times = (-5_000_000_000i64..50_000_000_000, prop_oneof![Just(0u32), 0u32..1_000_000_000]);
    (0u32..0o10000, any::<u32>(), any::<u32>(), times, xattrs).prop_map(
        |(mode, uid, gid, (mtime, mtime_nsec), xattrs)| Metadata {
            mode,
            uid,
            gid,
            mtime,
            mtime_nsec,
            xattrs,
        },
    )
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec("[^/\0]{1,60}", 1..5)
        .prop_map(|parts| parts.join("/").into_bytes())
        // A directory by version 7's mark.
        .prop_filter("no slash at its end", |path| !path.ends_with(b"/"))
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        path in path(), link in path(), metadata in metadata(), major: u32, which in 0usize..6,
    ) {
        let (major, size) = (major & 0o7_777_777, u64::from(major) % 2000);
        let what = [
            Written::File(size), Written::HardLink(&link), Written::Symlink(&link),
            Written::Fifo, Written::CharDevice(major, 7), Written::BlockDevice(3, major),
        ][which];
        let bytes = one(&path, &metadata, what);
        prop_assert_eq!(bytes.len() as u64 % BLOCK, 0);
        let members = read(&bytes).unwrap();
        prop_assert_eq!(members.len(), 1);
        prop_assert_eq!(&members[0].name, &path);
        prop_assert_eq!(&members[0].metadata, &metadata);
        let same = match (&members[0].kind, what) {
            (MemberKind::File { offset, size }, Written::File(expected)) => {
                let data = bytes.get(*offset as usize..(*offset + size) as usize);
                *size == expected && data.is_some_and(|data| data.iter().all(|b| *b == 7))
            }
            (MemberKind::HardLink(target), Written::HardLink(expected)) => target == expected,
            (MemberKind::Symlink(target), Written::Symlink(expected)) => target == expected,
            (MemberKind::Fifo, Written::Fifo) => true,
            (MemberKind::CharDevice(a, b), Written::CharDevice(x, y)) => (*a, *b) == (x, y),
            (MemberKind::BlockDevice(a, b), Written::BlockDevice(x, y)) => (*a, *b) == (x, y),
            _ => false,
        };
        prop_assert!(same, "{:?}", members[0].kind);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..2048),
        edits in proptest::collection::vec((0usize..1600, any::<u8>()), 0..8),
        start_well: bool,
    ) {
        if start_well {
            let xattrs = BTreeMap::from([(b"user.a".to_vec(), b"b".to_vec())]);
            let metadata = Metadata { xattrs, ..Metadata::default() };
            bytes = one(b"some/file", &metadata, Written::File(10));
            for (at, byte) in edits {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            // Damage behind the checksum is what gets past it: mend it.
            for start in (0..bytes.len().saturating_sub(512)).step_by(512) {
                let block: &mut [u8; 512] = (&mut bytes[start..start + 512]).try_into().unwrap();
                let sum = format!("{:06o}\0 ", header::checksum(block));
                block[148..156].copy_from_slice(sum.as_bytes());
            }
        }
        prop_assert_eq!(read(&bytes).is_ok(), skim(&bytes).is_ok());
    }
}
