//! Disks that are damaged, cut off or made to harm: what is wrong is named with its place, nothing panics,
//! and reading ends.

#![cfg(feature = "compression")]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::Cursor;
use std::sync::Arc;

use bootwright_formats::ReadAt as _;
use bootwright_formats::disk::{Disk, Error, Format, Options, qcow2, vdi, vhd, vhdx, vmdk};

const SIZE: usize = 5 << 20;

fn content() -> Vec<u8> {
    let mut disk = vec![0; SIZE];
    for start in [0, 70_000, SIZE - 5000] {
        disk[start..start + 5000].iter_mut().enumerate().for_each(|(at, byte)| *byte = at as u8 | 1);
    }
    disk
}

/// An image of each format, of our own writers, which other tests have judged.
fn images() -> Vec<(Format, Vec<u8>)> {
    let (disk, options) = (content(), Options::new("seed"));
    let mut all = Vec::new();
    let mut add = |format, write: &dyn Fn(&mut Cursor<Vec<u8>>)| {
        let mut image = Cursor::new(Vec::new());
        write(&mut image);
        all.push((format, image.into_inner()));
    };
    let name = vmdk::Description::new("a.vmdk");
    add(Format::Qcow2, &|to| qcow2::write(&disk, to, None, &options, &()).unwrap());
    let zlib = Some(qcow2::CompressionType::Zlib);
    add(Format::Qcow2, &|to| qcow2::write(&disk, to, zlib, &options, &()).unwrap());
    add(Format::Vmdk, &|to| vmdk::write_sparse(&disk, to, &name, &options, &()).unwrap());
    add(Format::Vmdk, &|to| vmdk::write_stream(&disk, to, &name, &options, &()).map(drop).unwrap());
    add(Format::Vhd, &|to| vhd::write(&disk, to, vhd::Kind::Dynamic, &options, &()).unwrap());
    add(Format::Vhdx, &|to| vhdx::write(&disk, to, vhdx::Kind::Dynamic, &options, &()).unwrap());
    add(Format::Vdi, &|to| vdi::write(&disk, to, vdi::ImageType::Dynamic, &options, &()).unwrap());
    all
}

fn parse(image: &[u8], format: Format) -> Result<Disk, Error> {
    Disk::parse(Arc::new(image.to_vec()), format)
}

#[test]
fn an_image_that_is_cut_off_is_an_error_and_never_another_disk() {
    for (format, image) in images() {
        let last = if format == Format::Vhd { 512 } else { 1 };
        for end in [0, 1, 100, 511, 4096, 65_536, 200_000, image.len() / 2, image.len() - last] {
            let Ok(disk) = parse(&image[..end.min(image.len())], format) else { continue };
            let mut there = vec![0; SIZE];
            let read = disk.read_exact_at(0, &mut there);
            // What follows the last block may be tables that reading does not need.
            assert!(read.is_err() || there == content(), "{format} cut off at {end}");
        }
    }
}

#[test]
fn the_error_names_the_format_and_the_byte() {
    for (format, image) in images() {
        let error = parse(&image[..60], format).err().unwrap();
        let text = error.to_string();
        assert!(text.starts_with(&format!("{format}: byte ")), "{text}");
    }
}

/// Writes `bytes` at `at` of an image and says what became of it.
fn damaged(format: Format, changes: &[(usize, &[u8])]) -> String {
    let (_, mut image) = images().into_iter().find(|(other, _)| *other == format).unwrap();
    for (at, bytes) in changes {
        image[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    match parse(&image, format) {
        Err(error) => error.to_string(),
        Ok(disk) => match disk.read_exact_at(0, &mut vec![0; SIZE.min(disk.size() as usize)]) {
            Ok(()) => "read".to_owned(),
            Err(error) => error.to_string(),
        },
    }
}

#[test]
fn absurd_headers_are_refused_with_their_limit() {
    let cases: [(Format, usize, &[u8], &str); 14] = [
        (Format::Qcow2, 20, &[0, 0, 0, 63], "byte 20: cluster_bits is 63"),
        (Format::Qcow2, 24, &[0x7f, 0xff], "byte 24: an L1 table of 1 entries cannot map"),
        (Format::Qcow2, 36, &[0xff; 4], "byte 36: l1_size is 4294967295"),
        (Format::Qcow2, 60, &[0xff; 4], "byte 60: 4294967295 snapshots"),
        (Format::Qcow2, 72, &[0x80], "incompatible feature 63 is not known"),
        (Format::Qcow2, 100, &[0xff; 4], "byte 100: header_length"),
        (Format::Vmdk, 12, &[0xff; 8], "byte 12: 18446744073709551615 sectors"),
        (Format::Vmdk, 20, &[0; 8], "byte 20: grains of 0 sectors"),
        (Format::Vmdk, 36, &[0xff; 8], "a descriptor of 18446744073709551615 bytes"),
        (Format::Vmdk, 44, &[0xff; 4], "byte 44: grain tables of 4294967295 entries"),
        (Format::Vdi, 0x170, &[0xff; 8], "byte 384: 5 blocks cannot hold"),
        (Format::Vdi, 0x178, &[0; 4], "byte 376: block_size 0"),
        (Format::Vdi, 0x200, &[9, 0, 0, 0], "byte 512: block 9, but there are only 5"),
        (Format::Vhdx, 64 << 10, b"dead", "read"),
    ];
    for (format, at, bytes, wanted) in cases {
        let said = damaged(format, &[(at, bytes)]);
        assert!(said.contains(wanted), "{format}, {at}: {said}");
    }
}

#[test]
fn tables_that_point_at_themselves_or_each_other_end() {
    // The L1 table of our qcow2 is its second cluster; its only entry points at itself, then at the header.
    for target in [1u64 << 16, 0, 1 << 50, 0x1_0200] {
        let entry = (1 << 63 | target).to_be_bytes();
        let said = damaged(Format::Qcow2, &[(1 << 16, &entry)]);
        assert!(
            ["read", "qcow2: byte"].iter().any(|known| said.starts_with(known)) || said.contains("ends"),
            "{said}"
        );
    }
    // The grain directory points at itself.
    let (_, image) = images().into_iter().find(|(format, _)| *format == Format::Vmdk).unwrap();
    let directory = u64::from_le_bytes(image[56..64].try_into().unwrap());
    let said = damaged(Format::Vmdk, &[(directory as usize * 512, &(directory as u32).to_le_bytes())]);
    assert!(said == "read" || said.contains("ends"), "{said}");
    // Two blocks of a VHDX and a BAT entry in the middle of the header.
    for entry in [6u64, (3 << 20) | 6, u64::MAX << 20 | 6, 5] {
        let said = damaged(Format::Vhdx, &[(3 << 20, &entry.to_le_bytes())]);
        assert!(said == "read" || said.contains("ends") || said.contains("state 5"), "{said}");
    }
}
