//! cpio archives: ours read by GNU cpio, GNU cpio's read by us, and hostile ones read by nobody.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use bootwright_formats::cpio::{Attributes, Error, Kind, MAX_NAME, Node, Reader, WriteError, Writer};
use proptest::prelude::*;

/// Runs GNU cpio in `directory` with `input`; what it prints.
fn gnu_cpio(arguments: &[&str], input: &[u8], directory: &std::path::Path) -> Vec<u8> {
    let mut child = Command::new("cpio")
        .args(arguments)
        .current_dir(directory)
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cpio is missing: install the package cpio");
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || {
        // cpio stops reading at the trailer.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    assert!(output.status.success(), "cpio {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn sample() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), 1_700_000_000);
    writer.node("dev", Node::Directory, Attributes::EXECUTABLE).unwrap();
    writer.node("dev/console", Node::CharacterDevice(5, 1), Attributes::root(0o600)).unwrap();
    writer.node("dev/vda", Node::BlockDevice(254, 0), Attributes::root(0o660)).unwrap();
    writer.node("fifo", Node::Fifo, Attributes::PLAIN).unwrap();
    writer.node("bin", Node::Symlink(b"usr/bin"), Attributes::root(0o777)).unwrap();
    writer.file("/init", Attributes::root(0o4755), 5, &b"hello"[..]).unwrap();
    let owned = Attributes { permissions: 0o640, uid: 7, gid: 8 };
    writer.file("empty", owned, 0, std::io::empty()).unwrap();
    writer.links(&[b"one", b"two"], Attributes::PLAIN, 3, &b"abc"[..]).unwrap();
    writer.finish().unwrap()
}

#[test]
fn gnu_cpio_lists_what_was_written() {
    let listing = gnu_cpio(&["-itv", "--quiet"], &sample(), std::path::Path::new("/"));
    let listing = String::from_utf8(listing).unwrap();
    let expected = [
        "drwxr-xr-x 2 root root 0 Nov 14 2023 dev",
        "crw------- 1 root root 5, 1 Nov 14 2023 dev/console",
        "brw-rw---- 1 root root 254, 0 Nov 14 2023 dev/vda",
        "prw-r--r-- 1 root root 0 Nov 14 2023 fifo",
        "lrwxrwxrwx 1 root root 7 Nov 14 2023 bin -> usr/bin",
        "-rwsr-xr-x 1 root root 5 Nov 14 2023 init",
        "-rw-r----- 1 lp mail 0 Nov 14 2023 empty",
        "-rw-r--r-- 2 root root 0 Nov 14 2023 one",
        "-rw-r--r-- 2 root root 3 Nov 14 2023 two",
    ];
    let lines: Vec<_> =
        listing.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(lines, expected);
}

#[test]
fn gnu_cpio_unpacks_hard_links_and_page_aligned_files() {
    let long = "d".repeat(200);
    let mut writer = Writer::new(Vec::new(), 0);
    writer.links(&[b"one", b"two"], Attributes::PLAIN, 3, &b"abc"[..]).unwrap();
    writer.page_aligned_file(&long, Attributes::PLAIN, 5000, &[7; 5000][..]).unwrap();
    writer.file("after", Attributes::PLAIN, 1, &b"x"[..]).unwrap();
    let archive = writer.finish().unwrap();
    let directory = tempfile::tempdir().unwrap();
    gnu_cpio(&["-id", "--quiet"], &archive, directory.path());
    let read = |name: &str| std::fs::read(directory.path().join(name)).unwrap();
    assert_eq!((read("one"), read("two"), read("after")), (b"abc".to_vec(), b"abc".to_vec(), b"x".to_vec()));
    assert_eq!(read(&long), vec![7; 5000]);
    use std::os::unix::fs::MetadataExt as _;
    assert_eq!(std::fs::metadata(directory.path().join("one")).unwrap().nlink(), 2);
}

#[test]
fn archives_of_gnu_cpio_are_read() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a file"), vec![1; 70_000]).unwrap();
    std::os::unix::fs::symlink("a file", directory.path().join("link")).unwrap();
    let archive = gnu_cpio(&["-o", "-H", "newc", "--quiet"], b"a file\nlink\n.\n", directory.path());
    let mut reader = Reader::new(&archive[..]);
    let mut entry = reader.next_entry().unwrap().unwrap();
    assert_eq!((entry.path(), entry.metadata().kind()), (&b"a file"[..], Some(Kind::File)));
    let mut content = Vec::new();
    entry.read_to_end(&mut content).unwrap();
    assert_eq!(content, vec![1; 70_000]);
    let mut entry = reader.next_entry().unwrap().unwrap();
    assert_eq!(entry.metadata().kind(), Some(Kind::Symlink));
    assert_eq!(entry.read_target().unwrap(), b"a file");
    assert_eq!(reader.next_entry().unwrap().unwrap().path(), b".");
    assert!(reader.next_entry().unwrap().is_none());
}

#[test]
fn the_same_calls_give_the_same_bytes_and_inode_numbers_of_their_own() {
    let archive = sample();
    assert_eq!(archive, sample());
    assert_eq!(archive.len() % 4, 0);
    let mut reader = Reader::new(&archive[..]);
    let mut numbers = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        assert_eq!(entry.metadata().mtime, 1_700_000_000);
        let linked = entry.metadata().kind() == Some(Kind::File) && entry.metadata().nlink > 1;
        numbers.push((entry.metadata().ino, linked));
    }
    let links: Vec<_> = numbers.iter().filter(|(_, linked)| *linked).collect();
    assert_eq!(links.len(), 2);
    assert_eq!(links[0], links[1]);
    numbers.dedup();
    let count = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), count);
}

#[test]
fn archives_follow_each_other_with_padding_between() {
    let mut bytes = sample();
    bytes.resize(bytes.len() + 1024, 0);
    bytes.extend(sample());
    bytes.resize(bytes.len() + 7, 0);
    let mut reader = Reader::new(&bytes[..]);
    let mut counts = Vec::new();
    loop {
        let mut count = 0;
        while reader.next_entry().unwrap().is_some() {
            count += 1;
        }
        counts.push(count);
        if !reader.next_archive().unwrap() {
            break;
        }
    }
    assert_eq!(counts, [9, 9]);
}

#[test]
fn content_that_changed_its_size_is_an_error() {
    let mut writer = Writer::new(Vec::new(), 0);
    let short = writer.file("a", Attributes::PLAIN, 3, &b"ab"[..]);
    assert!(matches!(short, Err(WriteError::Changed { announced: 3, found: 2, .. })), "{short:?}");
    let mut writer = Writer::new(Vec::new(), 0);
    let long = writer.file("a", Attributes::PLAIN, 1, &b"abc"[..]);
    assert!(matches!(long, Err(WriteError::Changed { announced: 1, found: 2, .. })), "{long:?}");
}

#[test]
fn names_and_sizes_that_newc_cannot_hold_are_refused() {
    let mut writer = Writer::new(Vec::new(), 0);
    let too_long = "x".repeat(MAX_NAME);
    for name in ["", "/", "a\0b", "TRAILER!!!", &too_long] {
        let result = writer.node(name, Node::Directory, Attributes::EXECUTABLE);
        assert!(matches!(result, Err(WriteError::Name(_))), "{name:?}");
    }
    let result = writer.file("big", Attributes::PLAIN, 1 << 32, std::io::empty());
    assert!(matches!(result, Err(WriteError::TooLarge { .. })));
    assert_eq!(writer.position(), 0);
}

#[test]
fn errors_name_the_offset() {
    let archive = sample();
    let mut reader = Reader::new(&archive[..archive.len() - 200]);
    let error = loop {
        match reader.next_entry() {
            Ok(entry) => assert!(entry.is_some(), "the cut was not noticed"),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error, Error::Truncated { offset, .. } if offset == archive.len() as u64 - 200),
        "{error}"
    );
    let mut broken = archive.clone();
    broken[6 + 8] = b'+';
    let error = Reader::new(&broken[..]).next_entry().unwrap_err();
    assert!(matches!(error, Error::Field { offset: 0, field: "mode", .. }), "{error}");
    let error = Reader::new(
        &b"070707 and what follows in the octal form, which is something else entirely..............."
            .repeat(2)[..],
    )
    .next_entry()
    .unwrap_err();
    assert!(matches!(error, Error::Magic { offset: 0, .. }), "{error}");
}

proptest! {
    #[test]
    fn page_aligned_data_lies_on_a_page_whatever_comes_before(
        before in proptest::collection::vec((1usize..4095, 0usize..9000), 0..5),
        name in 1usize..4095,
    ) {
        let mut writer = Writer::new(Vec::new(), 0);
        for (name, size) in &before {
            writer.file("b".repeat(*name), Attributes::PLAIN, *size as u64, &vec![1; *size][..]).unwrap();
        }
        let name = "n".repeat(name);
        writer.page_aligned_file(&name, Attributes::PLAIN, 3, &b"abc"[..]).unwrap();
        let archive = writer.finish().unwrap();
        let mut reader = Reader::new(&archive[..]);
        let mut found = false;
        while let Some(mut entry) = reader.next_entry().unwrap() {
            if entry.path() == name.as_bytes() {
                prop_assert_eq!(entry.data_offset() % 4096, 0);
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                prop_assert_eq!(content, b"abc");
                found = true;
            }
        }
        prop_assert!(found);
    }

    #[test]
    fn no_bytes_make_the_reader_panic_or_run_on(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..600),
        valid in any::<bool>(),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        if valid {
            bytes = sample();
            for (index, byte) in flips {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
        }
        let mut reader = Reader::new(&bytes[..]);
        let mut members = 0;
        while let Ok(Some(mut entry)) = reader.next_entry() {
            let _ = std::io::copy(&mut entry, &mut std::io::sink());
            members += 1;
        }
        prop_assert!(members <= bytes.len() / 110);
    }
}
