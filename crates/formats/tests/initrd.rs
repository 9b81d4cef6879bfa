//! Whole initrds: segments of every compression, made by the tools that make them elsewhere.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use bootwright_formats::compression::Compression;
use bootwright_formats::cpio::{self, Attributes, Node};
use bootwright_formats::initrd::{Error, Reader};
use proptest::prelude::*;

const READABLE: [Compression; 5] =
    [Compression::None, Compression::Gzip, Compression::Xz, Compression::Lz4Legacy, Compression::Zstd];

/// An archive of a directory and a file of that name and content.
fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let mut writer = cpio::Writer::new(Vec::new(), 0);
    writer.node("dir", Node::Directory, Attributes::EXECUTABLE).unwrap();
    writer.file(name, Attributes::PLAIN, content.len() as u64, content).unwrap();
    writer.finish().unwrap()
}

fn pack(compression: Compression, bytes: &[u8]) -> Vec<u8> {
    let mut encoder = compression.encoder(Vec::new(), 3).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn pad(bytes: &mut Vec<u8>, alignment: usize) {
    bytes.resize(bytes.len().next_multiple_of(alignment), 0);
}

/// Names of the files in an initrd with their content and segment.
fn files(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>, usize)>, Error> {
    let mut reader = Reader::new(bytes);
    let mut files = Vec::new();
    while let Some(mut entry) = reader.next_entry()? {
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        if entry.metadata().kind() == Some(cpio::Kind::File) {
            files.push((String::from_utf8(entry.path().to_vec()).unwrap(), content, entry.segment()));
        }
    }
    Ok(files)
}

/// Packs with the tool that others pack with.
fn tool(command: &[&str], package: &str, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}: install the package {package}", command[0]));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    assert!(output.status.success(), "{command:?} failed");
    output.stdout
}

#[test]
fn every_segment_is_found_with_its_place_and_its_compression() {
    let mut initrd = archive("kernel/x86/microcode/GenuineIntel.bin", &[1; 5000]);
    let mut places = vec![(0, initrd.len())];
    for compression in READABLE {
        initrd.resize(initrd.len() + 512, 0);
        pad(&mut initrd, 4);
        let segment = pack(compression, &archive(compression.name(), &[2; 100_000]));
        places.push((initrd.len(), segment.len()));
        initrd.extend(segment);
    }
    pad(&mut initrd, 512);
    let mut reader = Reader::new(&initrd[..]);
    while reader.next_entry().unwrap().is_some() {}
    let found: Vec<_> = reader.segments().iter().map(|s| (s.offset as usize, s.length as usize)).collect();
    assert_eq!(found, places);
    let kinds: Vec<_> = reader.segments().iter().skip(1).map(|s| s.compression).collect();
    assert_eq!(kinds, READABLE);
    assert!(reader.segments().iter().all(|segment| segment.entries == 2));
    for segment in &reader.segments()[1..] {
        let archive = archive(segment.compression.name(), &[2; 100_000]);
        assert_eq!(segment.unpacked, archive.len() as u64);
    }
    let names: Vec<_> =
        files(&initrd).unwrap().into_iter().map(|(name, content, _)| (name, content.len())).collect();
    assert_eq!(names[1..], READABLE.map(|compression| (compression.name().to_owned(), 100_000)));
}

#[test]
fn frames_that_follow_without_padding_are_segments_of_their_own() {
    // What a writer makes that packs in parallel; only the last frame has the trailer.
    let whole = archive("file", &[3; 40_000]);
    let cut = 116;
    for compression in [Compression::Zstd, Compression::Xz, Compression::Gzip] {
        let mut initrd = pack(compression, &whole[..cut]);
        initrd.extend(pack(compression, &whole[cut..]));
        assert_eq!(files(&initrd).unwrap(), [("file".to_owned(), vec![3; 40_000], 1)], "{compression}");
    }
}

#[test]
fn what_the_usual_tools_pack_is_read() {
    let content: Vec<u8> = (0..700_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
    let plain = archive("file", &content);
    let commands: [(&[&str], &str); 6] = [
        (&["gzip", "-n", "-9"], "gzip"),
        (&["xz", "--check=crc32", "--lzma2=dict=1MiB"], "xz-utils"),
        (&["xz", "--check=crc32", "--x86", "--lzma2=dict=32MiB"], "xz-utils"),
        (&["lz4", "-l", "-9", "-"], "lz4"),
        (&["zstd", "-q", "-19", "-T0"], "zstd"),
        (&["zstd", "-q", "--ultra", "-1", "--long=27"], "zstd"),
    ];
    for (command, package) in commands {
        let mut initrd = tool(command, package, &plain);
        let length = initrd.len() as u64;
        pad(&mut initrd, 512);
        initrd.extend([0; 512]);
        initrd.extend(archive("second", b"2"));
        let found = files(&initrd).unwrap();
        assert_eq!(found.len(), 2, "{command:?}");
        assert!(found[0].1 == content, "{command:?}");
        let mut reader = Reader::new(&initrd[..]);
        while reader.next_entry().unwrap().is_some() {}
        assert_eq!(reader.segments()[0].length, length, "{command:?}");
    }
}

#[test]
fn what_we_pack_is_unpacked_by_the_usual_tools() {
    let content: Vec<u8> = (0..2_200_000u32).flat_map(|n| (n / 9).to_le_bytes()).collect();
    let commands: [(&[&str], Compression); 4] = [
        (&["gzip", "-dc"], Compression::Gzip),
        (&["xz", "-dc"], Compression::Xz),
        (&["lz4", "-dc"], Compression::Lz4Legacy),
        (&["zstd", "-q", "-dc"], Compression::Zstd),
    ];
    for (command, compression) in commands {
        let packed = pack(compression, &content);
        assert_eq!(packed, pack(compression, &content), "{compression} is not reproducible");
        assert!(packed.len() < content.len() / 2, "{compression}");
        assert!(tool(command, compression.name(), &packed) == content, "{compression}");
    }
    let checks =
        tool(&["sh", "-c", "cat > t.xz; xz -l t.xz; rm t.xz"], "xz-utils", &pack(Compression::Xz, &content));
    assert!(String::from_utf8_lossy(&checks).contains("CRC32"), "the kernel knows no other check");
}

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    for compression in [Compression::Gzip, Compression::Xz, Compression::Lz4Legacy, Compression::Zstd] {
        let member = pack(compression, &archive("zeros", &vec![0; 1 << 20]));
        let padding = pack(compression, &vec![0; 1 << 20]);
        for bomb in [member, padding] {
            let mut reader = Reader::with_limit(&bomb[..], 100_000);
            let error = loop {
                match reader.next_entry() {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("{compression}: the limit was passed"),
                    Err(error) => break error,
                }
            };
            assert!(matches!(error, Error::TooLarge { offset: 0, limit: 100_000 }), "{compression}: {error}");
        }
    }
}

#[test]
fn segments_that_cannot_be_read_are_named() {
    let odd = (0..9).map(|size| pack(Compression::Gzip, &archive("a", &vec![7; size])));
    let odd = odd.into_iter().find(|segment| segment.len() % 4 != 0).unwrap();
    let misplaced = [odd, archive("b", b"b")].concat();
    assert!(matches!(files(&misplaced), Err(Error::Misplaced { .. })));
    let error = files(b"BZh91AY").unwrap_err();
    assert!(matches!(error, Error::Unsupported { offset: 0, compression: Compression::Bzip2 }), "{error}");
    let mut junk = archive("a", b"a");
    junk.extend(b"junk");
    let place = junk.len() as u64 - 4;
    let error = files(&junk).unwrap_err();
    assert!(matches!(error, Error::Unknown { offset, .. } if offset == place), "{error}");
    let mut broken = pack(Compression::Zstd, &archive("a", &[5; 1000]));
    let end = broken.len() - 1;
    broken[end] ^= 1;
    broken.truncate(end);
    assert!(matches!(files(&broken), Err(Error::Segment { offset: 0, .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn no_bytes_make_the_reader_panic_or_run_on(
        which in 0usize..READABLE.len(),
        head in proptest::collection::vec(any::<u8>(), 0..64),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = pack(READABLE[which], &archive("name", &head));
        for (index, byte) in flips {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        let mut reader = Reader::with_limit(&bytes[..], 1 << 20);
        while let Ok(Some(mut entry)) = reader.next_entry() {
            let _ = std::io::copy(&mut entry, &mut std::io::sink());
        }
        prop_assert!(reader.segments().len() <= bytes.len());
        prop_assert!(reader.next_entry().is_err() || reader.next_entry().unwrap().is_none());
    }

    #[test]
    fn decoders_take_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300), which in 1usize..READABLE.len()) {
        let magic: &[u8] = match READABLE[which] {
            Compression::Gzip => &[0x1f, 0x8b, 8],
            Compression::Xz => &[0xfd, b'7', b'z', b'X', b'Z', 0],
            Compression::Lz4Legacy => &[0x02, 0x21, 0x4c, 0x18],
            _ => &[0x28, 0xb5, 0x2f, 0xfd],
        };
        let stream = [magic, &bytes].concat();
        let decoder = READABLE[which].decoder(&stream[..]).unwrap();
        let _ = std::io::copy(&mut decoder.take(1 << 24), &mut std::io::sink());
    }
}
