//! The log of a VHDX: what was under way when a disk was last open, judged by QEMU's own replay.

#![cfg(feature = "compression")]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod judge;

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use bootwright_formats::ReadAt as _;
use bootwright_formats::disk::{Disk, Error};
use judge::Scratch;

const MIB: u64 = 1 << 20;
const GUID: [u8; 16] = [7; 16];

fn seal(bytes: &mut [u8]) {
    bytes[4..8].fill(0);
    let sum = crc32c::crc32c(bytes);
    bytes[4..8].copy_from_slice(&sum.to_le_bytes());
}

/// An entry that writes `sector` at `offset`, and zeros over `zeros`.
fn entry(sequence: u64, tail: u32, last: u64, offset: u64, sector: &[u8], zeros: (u64, u64)) -> Vec<u8> {
    let mut entry = vec![0; 8192];
    entry[..4].copy_from_slice(b"loge");
    entry[8..12].copy_from_slice(&8192u32.to_le_bytes());
    entry[12..16].copy_from_slice(&tail.to_le_bytes());
    entry[16..24].copy_from_slice(&sequence.to_le_bytes());
    entry[24..28].copy_from_slice(&2u32.to_le_bytes());
    entry[32..48].copy_from_slice(&GUID);
    entry[48..56].copy_from_slice(&last.to_le_bytes());
    entry[56..64].copy_from_slice(&last.to_le_bytes());
    entry[64..68].copy_from_slice(b"zero");
    entry[72..80].copy_from_slice(&zeros.1.to_le_bytes());
    entry[80..88].copy_from_slice(&zeros.0.to_le_bytes());
    entry[88..96].copy_from_slice(&sequence.to_le_bytes());
    entry[96..100].copy_from_slice(b"desc");
    entry[100..104].copy_from_slice(&sector[4092..]);
    entry[104..112].copy_from_slice(&sector[..8]);
    entry[112..120].copy_from_slice(&offset.to_le_bytes());
    entry[120..128].copy_from_slice(&sequence.to_le_bytes());
    let data = &mut entry[4096..];
    data[..4].copy_from_slice(b"data");
    data[4..8].copy_from_slice(&((sequence >> 32) as u32).to_le_bytes());
    data[8..4092].copy_from_slice(&sector[8..4092]);
    data[4092..].copy_from_slice(&(sequence as u32).to_le_bytes());
    seal(&mut entry);
    entry
}

/// A disk with two blocks of data, whose header says that there is something in the log.
fn disk(scratch: &Scratch) -> File {
    scratch.run("qemu-img", &["create", "-q", "-f", "vhdx", "-o", "block_size=1M", "disk.vhdx", "16M"]);
    scratch.io("disk.vhdx", &["write -P 0x11 0 1M", "write -P 0x22 1M 1M"]);
    let file = File::options().read(true).write(true).open(scratch.path("disk.vhdx")).unwrap();
    for at in [64 << 10, 128 << 10] {
        let mut header = vec![0; 4096];
        file.read_exact_at(&mut header, at).unwrap();
        header[48..64].copy_from_slice(&GUID);
        seal(&mut header);
        file.write_all_at(&header, at).unwrap();
    }
    file
}

/// Where the log and the BAT are.
fn places(file: &File) -> (u64, u64) {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, (64 << 10) + 72).unwrap();
    let log = u64::from_le_bytes(bytes);
    let mut regions = vec![0; 256];
    file.read_exact_at(&mut regions, 192 << 10).unwrap();
    let bat = regions[16..].chunks(32).find(|entry| entry.starts_with(b"\x66\x77\xc2\x2d")).unwrap();
    (log, u64::from_le_bytes(bat[16..24].try_into().unwrap()))
}

#[test]
fn what_the_log_changes_is_seen_and_the_file_stays() {
    let scratch = Scratch::new();
    let file = disk(&scratch);
    let (log, bat) = places(&file);
    let size = file.metadata().unwrap().len();
    let mut sector = vec![0; 4096];
    file.read_exact_at(&mut sector, bat).unwrap();
    // The two blocks change places; then the second is gone.
    let (first, second) = (sector[..8].to_vec(), sector[8..16].to_vec());
    sector[..8].copy_from_slice(&second);
    sector[8..16].copy_from_slice(&first);
    let one = entry(5, 0, size, bat, &sector, (size - 4096, 4096));
    sector[8..16].fill(0);
    let two = entry(6, 0, size, bat, &sector, (size - 4096, 4096));
    file.write_all_at(&[one, two].concat(), log).unwrap();
    let before = std::fs::read(scratch.path("disk.vhdx")).unwrap();
    let ours = scratch.open("disk.vhdx").unwrap();
    assert!(matches!(&ours, Disk::Vhdx(disk) if disk.replayed));
    let ours = judge::content(&ours);
    assert!(std::fs::read(scratch.path("disk.vhdx")).unwrap() == before);
    assert!(ours[..4096] == [0x22; 4096] && ours[1 << 20..2 << 20] == vec![0; 1 << 20]);
    // QEMU replays into the file.
    scratch.run("qemu-img", &["check", "-q", "-r", "all", "disk.vhdx"]);
    scratch.run("qemu-img", &["convert", "-O", "raw", "disk.vhdx", "judged.raw"]);
    assert!(std::fs::read(scratch.path("judged.raw")).unwrap() == ours);
}

#[test]
fn an_entry_that_is_broken_or_of_another_time_does_not_count() {
    let scratch = Scratch::new();
    let file = disk(&scratch);
    let (log, bat) = places(&file);
    let size = file.metadata().unwrap().len();
    let mut sector = vec![0; 4096];
    file.read_exact_at(&mut sector, bat).unwrap();
    let good = entry(5, 0, size, bat, &sector, (size - 4096, 4096));
    let mut torn = entry(6, 0, size, bat, &[0; 4096], (size - 4096, 4096));
    torn[5000] ^= 1;
    file.write_all_at(&[good, torn].concat(), log).unwrap();
    let disk = scratch.open("disk.vhdx").unwrap();
    let mut byte = [0; 1];
    disk.read_exact_at(MIB, &mut byte).unwrap();
    assert_eq!(byte, [0x22]);
}

#[test]
fn a_sequence_goes_around_the_end_of_the_ring() {
    let scratch = Scratch::new();
    let file = disk(&scratch);
    let (log, bat) = places(&file);
    let size = file.metadata().unwrap().len();
    let mut sector = vec![0; 4096];
    file.read_exact_at(&mut sector, bat).unwrap();
    let tail = (MIB - 4096) as u32;
    sector[..8].fill(0);
    let one = entry(5, tail, size, bat, &sector, (size - 4096, 4096));
    sector[8..16].fill(0);
    let two = entry(6, tail, size, bat, &sector, (size - 4096, 4096));
    file.write_all_at(&one[..4096], log + MIB - 4096).unwrap();
    file.write_all_at(&[&one[4096..], &two].concat(), log).unwrap();
    let ours = judge::content(&scratch.open("disk.vhdx").unwrap());
    assert!(ours == vec![0; 16 << 20]);
    scratch.run("qemu-img", &["check", "-q", "-r", "all", "disk.vhdx"]);
    scratch.run("qemu-img", &["convert", "-O", "raw", "disk.vhdx", "judged.raw"]);
    assert!(std::fs::read(scratch.path("judged.raw")).unwrap() == ours);
}

#[test]
fn garbage_in_the_log_and_a_file_cut_off_are_named() {
    let scratch = Scratch::new();
    let file = disk(&scratch);
    let (log, bat) = places(&file);
    let size = file.metadata().unwrap().len();
    file.write_all_at(&[0x5a; 8192], log).unwrap();
    let error = scratch.open("disk.vhdx").err().unwrap();
    assert!(matches!(&error, Error::Broken { offset, .. } if *offset == log), "{error}");
    let cut = entry(5, 0, size + MIB, bat, &[0; 4096], (size - 4096, 4096));
    file.write_all_at(&cut, log).unwrap();
    let error = scratch.open("disk.vhdx").err().unwrap();
    assert!(error.to_string().contains("cut off"), "{error}");
}

#[test]
fn no_byte_of_an_entry_breaks_the_replay() {
    let scratch = Scratch::new();
    let file = disk(&scratch);
    let (log, bat) = places(&file);
    let size = file.metadata().unwrap().len();
    let good = entry(5, 0, size, bat, &[0; 4096], (size - 4096, 4096));
    for at in (8..128).chain([4096, 4100, 8190]) {
        for value in [0, 0x7f, 0x80, 0xff] {
            let mut changed = good.clone();
            changed[at] = value;
            seal(&mut changed);
            file.write_all_at(&changed, log).unwrap();
            if let Ok(disk) = scratch.open("disk.vhdx") {
                let _ = disk.read_exact_at(0, &mut [0; 70_000]);
                let _ = disk.extent(0);
            }
        }
    }
}
