//! Differencing VHD and VHDX, judged by libvhdi: QEMU makes and reads none.

#![cfg(feature = "compression")]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod judge;

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use bootwright_formats::Guid;
use bootwright_formats::ReadAt as _;
use bootwright_formats::disk::{Disk, Error, Options, vhd, vhdx};
use judge::Scratch;

const MIB: u64 = 1 << 20;
const SIZE: usize = 8 << 20;

/// Lets libvhdi read a child with its parent, whole: the distribution's Python has its binding.
fn libvhdi(scratch: &Scratch, child: &str, parent: &str) -> Vec<u8> {
    let script = "import sys, pyvhdi\n\
        child, parent = pyvhdi.file(), pyvhdi.file()\n\
        child.open(sys.argv[1]); parent.open(sys.argv[2]); child.set_parent(parent)\n\
        open('judged.raw', 'wb').write(child.read_buffer_at_offset(child.get_media_size(), 0))";
    scratch.run("/usr/bin/python3", &["-c", script, child, parent]);
    std::fs::read(scratch.path("judged.raw")).unwrap()
}

/// A disk of which every sector says which it is, and the same with some sectors changed.
fn contents() -> (Vec<u8>, Vec<u8>, Vec<usize>) {
    let sectors = SIZE / 512;
    let parent: Vec<u8> = (0..SIZE).map(|at| (at / 512 % 251) as u8 + 1).collect();
    let changed: Vec<usize> = (0..sectors).filter(|sector| sector % 7 == 3 && sector / 4096 != 2).collect();
    let mut child = parent.clone();
    for sector in &changed {
        child[sector * 512..(sector + 1) * 512].fill(0xee);
    }
    (parent, child, changed)
}

fn file(scratch: &Scratch, name: &str) -> File {
    File::options().read(true).write(true).create(true).truncate(false).open(scratch.path(name)).unwrap()
}

fn put(file: &File, at: u64, bytes: &[u8]) {
    file.write_all_at(bytes, at).unwrap();
}

fn seal_vhd(bytes: &mut [u8], field: usize) {
    bytes[field..field + 4].fill(0);
    let sum = !bytes.iter().fold(0u32, |sum, &byte| sum.wrapping_add(u32::from(byte)));
    bytes[field..field + 4].copy_from_slice(&sum.to_be_bytes());
}

/// Makes a dynamic VHD, whose blocks of 2 MiB are all there, the child of another one.
fn make_child_vhd(scratch: &Scratch, name: &str, parent: Guid, changed: &[usize]) {
    let file = file(scratch, name);
    let end = file.metadata().unwrap().len() - 512;
    for at in [0, end] {
        let mut footer = [0; 512];
        file.read_exact_at(&mut footer, at).unwrap();
        footer[63] = 4;
        seal_vhd(&mut footer, 64);
        put(&file, at, &footer);
    }
    let mut header = vec![0; 1024];
    file.read_exact_at(&mut header, 512).unwrap();
    header[40..56].copy_from_slice(&parent.ordered());
    let name: Vec<u8> = "parent.vhd".encode_utf16().flat_map(u16::to_be_bytes).collect();
    header[64..64 + name.len()].copy_from_slice(&name);
    seal_vhd(&mut header, 36);
    put(&file, 512, &header);
    for block in 0..4 {
        let mut entry = [0; 4];
        file.read_exact_at(&mut entry, 1536 + block * 4).unwrap();
        let mut bitmap = [0u8; 512];
        for sector in changed.iter().filter(|sector| *sector / 4096 == block as usize) {
            bitmap[sector % 4096 / 8] |= 0x80 >> (sector % 8);
        }
        put(&file, u64::from(u32::from_be_bytes(entry)) * 512, &bitmap);
        if block == 2 {
            put(&file, 1536 + block * 4, &[0xff; 4]);
        }
    }
}

#[test]
fn a_differencing_vhd_reads_as_libvhdi_reads_it() {
    let scratch = Scratch::new();
    let (parent, child, changed) = contents();
    for (name, bytes, seed) in [("parent.vhd", &parent, "parent"), ("child.vhd", &child, "child")] {
        vhd::write(bytes, &mut file(&scratch, name), vhd::Kind::Dynamic, &Options::new(seed), &()).unwrap();
    }
    make_child_vhd(&scratch, "child.vhd", Options::new("parent").uuid("vhd"), &changed);
    let ours = judge::content(&scratch.open("child.vhd").unwrap());
    assert!(ours == libvhdi(&scratch, "child.vhd", "parent.vhd"), "libvhdi reads something else");
    assert!(ours == child);
    vhd::write(&parent, &mut file(&scratch, "parent.vhd"), vhd::Kind::Dynamic, &Options::new("x"), &())
        .unwrap();
    assert!(matches!(scratch.open("child.vhd"), Err(Error::Missing { .. })));
}

fn seal_vhdx(bytes: &mut [u8]) {
    bytes[4..8].fill(0);
    let sum = crc32c::crc32c(bytes);
    bytes[4..8].copy_from_slice(&sum.to_le_bytes());
}

/// The parent locator: the parent's DataWriteGuid and its name.
fn locator(linkage: Guid) -> Vec<u8> {
    let texts =
        [("parent_linkage", format!("{{{linkage}}}")), ("relative_path", ".\\parent.vhdx".to_owned())];
    let utf16 = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let kind = Guid::from_braced("b04aefb7-d19e-4a81-b789-25b8e9445913").unwrap();
    let mut item = kind.bytes.to_vec();
    item.extend([0, 0, 2, 0]);
    let mut strings = Vec::new();
    for (key, value) in &texts {
        let start = 20 + 2 * 12 + strings.len() as u32;
        let (key, value) = (utf16(key), utf16(value));
        item.extend(start.to_le_bytes());
        item.extend((start + key.len() as u32).to_le_bytes());
        item.extend((key.len() as u16).to_le_bytes());
        item.extend((value.len() as u16).to_le_bytes());
        strings.extend([key, value].concat());
    }
    [item, strings].concat()
}

/// Makes a dynamic VHDX of ours, whose blocks of 2 MiB are all there, the child of another one.
fn make_child_vhdx(scratch: &Scratch, linkage: Guid, changed: &[usize]) {
    let file = file(scratch, "child.vhdx");
    // The metadata: has a parent, and a sixth item.
    put(&file, 2 * MIB + (64 << 10) + 4, &2u32.to_le_bytes());
    let item = locator(linkage);
    let id = Guid::from_braced("a8d35f2d-b30b-454d-abf7-d3d84834ab0c").unwrap();
    let mut entry = id.bytes.to_vec();
    entry.extend(
        [(96u32 << 10).to_le_bytes(), (item.len() as u32).to_le_bytes(), 4u32.to_le_bytes()].concat(),
    );
    put(&file, 2 * MIB + 32 + 5 * 32, &entry);
    put(&file, 2 * MIB + 10, &6u16.to_le_bytes());
    put(&file, 2 * MIB + (96 << 10), &item);
    // The bitmap of the first chunk, behind everything else.
    let end = file.metadata().unwrap().len().next_multiple_of(MIB);
    let mut bitmap = vec![0u8; MIB as usize];
    for sector in changed {
        bitmap[sector / 8] |= 1 << (sector % 8);
    }
    put(&file, end, &bitmap);
    let ratio = (512 << 23) / (2 * MIB);
    put(&file, 3 * MIB + ratio * 8, &(end | 6).to_le_bytes());
    for block in [0, 1, 3] {
        let mut entry = [0; 8];
        file.read_exact_at(&mut entry, 3 * MIB + block * 8).unwrap();
        entry[0] = entry[0] & !7 | 7;
        put(&file, 3 * MIB + block * 8, &entry);
    }
    // The third block is not there.
    put(&file, 3 * MIB + 16, &[0; 8]);
}

#[test]
fn a_differencing_vhdx_reads_as_libvhdi_reads_it() {
    let scratch = Scratch::new();
    let (parent, child, changed) = contents();
    for (name, bytes, seed) in [("parent.vhdx", &parent, "parent"), ("child.vhdx", &child, "child")] {
        vhdx::write(bytes, &mut file(&scratch, name), vhdx::Kind::Dynamic, &Options::new(seed), &()).unwrap();
    }
    let Disk::Vhdx(opened) = scratch.open("parent.vhdx").unwrap() else { panic!("another format") };
    make_child_vhdx(&scratch, opened.header.data_write, &changed);
    let disk = scratch.open("child.vhdx").unwrap();
    let ours = judge::content(&disk);
    assert!(ours == child);
    assert!(ours == libvhdi(&scratch, "child.vhdx", "parent.vhdx"), "libvhdi reads something else");
    let mut odd = vec![0; 1500];
    disk.read_exact_at(1000, &mut odd).unwrap();
    assert!(odd == child[1000..2500]);
    // A parent that was written to is another one.
    for at in [64 << 10, 128 << 10] {
        let file = file(&scratch, "parent.vhdx");
        let mut header = vec![0; 4096];
        file.read_exact_at(&mut header, at).unwrap();
        header[32] ^= 1;
        seal_vhdx(&mut header);
        put(&file, at, &header);
    }
    let error = scratch.open("child.vhdx").err().unwrap();
    assert!(error.to_string().contains("was written to"), "{error}");
}
