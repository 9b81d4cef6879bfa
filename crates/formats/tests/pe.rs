//! PE files and the layout of UKIs, on stubs made up here; real ones are in the tests of `build`.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used)]

use std::io::Cursor;

use bootwright_formats::pe::{
    Error, Image, Layout, LayoutError, Machine, NewSection, PAGE, Plan, StubVersion, Uki,
};
use proptest::prelude::*;

const COFF: usize = 0x44;
const OPTIONAL: usize = COFF + 20;
const TABLE: usize = OPTIONAL + 240;
const MAGIC: &[u8] = b"#### LoaderInfo: systemd-stub 257.13-1 ####";

/// A stub with sections `.text`, `.sbat` and `.sdmagic`, loaded from `first` on, its headers `headers`
/// bytes long.
fn stub(first: u32, headers: u32) -> Vec<u8> {
    let mut bytes = vec![0; headers as usize];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, b"MZ");
    put(0x3c, &0x40u32.to_le_bytes());
    put(0x40, b"PE\0\0");
    put(COFF, &0x8664u16.to_le_bytes());
    put(COFF + 2, &3u16.to_le_bytes());
    put(COFF + 16, &240u16.to_le_bytes());
    put(OPTIONAL, &0x20bu16.to_le_bytes());
    put(OPTIONAL + 32, &4096u32.to_le_bytes());
    put(OPTIONAL + 36, &512u32.to_le_bytes());
    put(OPTIONAL + 56, &(first + 0x3000).to_le_bytes());
    put(OPTIONAL + 60, &headers.to_le_bytes());
    put(OPTIONAL + 64, &7u32.to_le_bytes());
    put(OPTIONAL + 68, &10u16.to_le_bytes());
    put(OPTIONAL + 70, &0x160u16.to_le_bytes());
    put(OPTIONAL + 108, &16u32.to_le_bytes());
    let rows: [(&[u8], usize); 3] = [(b".text", 1), (b".sbat", 0xe2), (b".sdmagic", MAGIC.len())];
    for (index, (name, size)) in rows.into_iter().enumerate() {
        let row = TABLE + 40 * index;
        put(row, name);
        put(row + 8, &(size as u32).to_le_bytes());
        put(row + 12, &(first + 0x1000 * index as u32).to_le_bytes());
        put(row + 16, &512u32.to_le_bytes());
        put(row + 20, &(headers + 512 * index as u32).to_le_bytes());
    }
    bytes.extend([0xcc; 512]);
    bytes.extend([b's'; 512]);
    bytes.extend(MAGIC);
    bytes.resize(headers as usize + 3 * 512, 0);
    bytes
}

fn lay_out(stub: &[u8], sbat: &[u8], sections: &[NewSection<'_>]) -> Result<Layout, LayoutError> {
    Plan { stub, sbat, sections, kernel_nx_compat: true }.lay_out()
}

/// Fills the sections of a layout, each with its number.
fn assemble(layout: &Layout) -> Vec<u8> {
    let mut file = layout.head.clone();
    for (index, placed) in layout.sections.iter().enumerate() {
        assert_eq!(file.len() as u64, placed.offset);
        file.resize(file.len() + placed.size as usize, index as u8 + 1);
        file.resize((placed.offset + placed.padded) as usize, 0);
    }
    assert_eq!(file.len() as u64, layout.size);
    file
}

const LINUX: NewSection<'static> = NewSection { name: ".linux", size: 10_000 };
const CMDLINE: NewSection<'static> = NewSection { name: ".cmdline", size: 5 };

#[test]
fn new_sections_lie_on_pages_without_gaps_and_are_found_again() {
    let layout = lay_out(&stub(0x1000, 0x600), b"merged", &[CMDLINE, LINUX]).unwrap();
    let file = assemble(&layout);
    let uki = Uki::read(&mut Cursor::new(&file)).unwrap();
    assert_eq!(uki.linux(), layout.sections[1].offset..layout.sections[1].offset + 10_000);
    assert_eq!(uki.text(&mut Cursor::new(&file), ".cmdline").unwrap().unwrap(), "\u{1}".repeat(5));
    assert_eq!(uki.text(&mut Cursor::new(&file), ".sbat").unwrap().unwrap(), "merged");
    assert_eq!(uki.text(&mut Cursor::new(&file), ".uname").unwrap(), None);
    let image = uki.image();
    for pair in image.sections.windows(2) {
        assert_eq!(pair[0].raw_offset + pair[0].raw_size, pair[1].raw_offset);
        assert!(pair[0].virtual_address + pair[0].virtual_size <= pair[1].virtual_address);
    }
    let last = image.sections.last().unwrap();
    assert_eq!(image.size_of_image, (last.virtual_address + last.virtual_size).next_multiple_of(4096));
    assert_eq!(u64::from(last.raw_offset + last.raw_size), layout.size);
    assert!(layout.sections.iter().all(|placed| placed.offset % PAGE == 0));
    assert_eq!(file[OPTIONAL + 64..OPTIONAL + 68], [0; 4], "CheckSum");
    assert_eq!(image.machine, Machine::X64);
    assert_eq!(StubVersion::of(image, &file).unwrap().major, 257);
}

#[test]
fn an_sbat_that_outgrows_its_place_moves() {
    let large = vec![b'x'; 600];
    let layout = lay_out(&stub(0x1000, 0x600), &large, &[LINUX]).unwrap();
    let file = assemble(&layout);
    let uki = Uki::read(&mut Cursor::new(&file)).unwrap();
    let names: Vec<_> = uki.sections().iter().map(|section| section.name.as_str()).collect();
    assert_eq!(names, [".text", ".sdmagic", ".sbat", ".linux"]);
    assert_eq!(uki.text(&mut Cursor::new(&file), ".sbat").unwrap().unwrap().len(), 600);
}

#[test]
fn headers_without_room_grow_and_the_data_moves_with_them() {
    let sections: Vec<_> = [".osrel", ".uname", ".cmdline", ".splash", ".dtb", ".linux"]
        .into_iter()
        .map(|name| NewSection { name, size: 9 })
        .collect();
    let layout = lay_out(&stub(0x1000, 0x200), b"merged", &sections).unwrap();
    let file = assemble(&layout);
    let image = Image::read(&mut Cursor::new(&file)).unwrap();
    assert_eq!((image.size_of_headers, image.sections.len()), (0x400, 9));
    let text = image.section(".text").unwrap();
    assert_eq!((text.raw_offset, file[0x400]), (0x400, 0xcc));
    assert_eq!(StubVersion::of(&image, &file).unwrap().text, "257.13-1");
}

#[test]
fn headers_that_cannot_grow_are_an_error() {
    let sections: Vec<_> =
        (0..6).map(|n| ["a", "b", "c", "d", "e", "f"][n]).map(|name| NewSection { name, size: 1 }).collect();
    let close = lay_out(&stub(0x200, 0x200), b"merged", &sections);
    assert!(matches!(close, Err(LayoutError::Headers { room: 0x200, .. })), "{close:?}");
    let mut debug = stub(0x1000, 0x200);
    debug[OPTIONAL + 112 + 6 * 8] = 1;
    let debug = lay_out(&debug, b"merged", &sections);
    assert!(matches!(debug, Err(LayoutError::Unfit { .. })), "{debug:?}");
    let mut occupied = stub(0x1000, 0x600);
    occupied[TABLE + 3 * 40] = 1;
    let occupied = lay_out(&occupied, b"merged", &[LINUX]);
    assert!(matches!(occupied, Err(LayoutError::Headers { .. })), "{occupied:?}");
}

#[test]
fn stubs_and_sections_that_cannot_be_joined_are_refused() {
    let good = stub(0x1000, 0x600);
    let mut signed = good.clone();
    signed[OPTIONAL + 112 + 4 * 8 + 4] = 8;
    assert!(matches!(lay_out(&signed, b"", &[LINUX]), Err(LayoutError::Signed)));
    let mut driver = good.clone();
    driver[OPTIONAL + 68] = 11;
    assert!(matches!(lay_out(&driver, b"", &[LINUX]), Err(LayoutError::Subsystem(11))));
    assert!(matches!(lay_out(b"#!/bin/sh", b"", &[LINUX]), Err(LayoutError::Stub(Error::NotPe { .. }))));
    assert!(matches!(lay_out(&good, b"", &[LINUX, LINUX]), Err(LayoutError::Exists(_))));
    let uki = assemble(&lay_out(&good, b"", &[LINUX]).unwrap());
    assert!(matches!(lay_out(&uki, b"", &[LINUX]), Err(LayoutError::Exists(_))));
    for bad in [NewSection { name: ".toolong9", size: 1 }, NewSection { name: ".empty", size: 0 }] {
        assert!(matches!(lay_out(&good, b"", &[bad]), Err(LayoutError::Section(_))));
    }
    let huge = NewSection { name: ".initrd", size: 1 << 32 };
    assert!(matches!(lay_out(&good, b"", &[huge]), Err(LayoutError::TooLarge(_))));
    let half = [NewSection { name: ".initrd", size: 3 << 30 }, NewSection { name: ".ucode", size: 2 << 30 }];
    assert!(matches!(lay_out(&good, b"", &half), Err(LayoutError::TooLarge(_))));
}

#[test]
fn execution_of_data_is_only_forbidden_if_the_kernel_allows_that() {
    let stub = stub(0x1000, 0x600);
    for kernel_nx_compat in [true, false] {
        let layout =
            Plan { stub: &stub, sbat: b"x", sections: &[LINUX], kernel_nx_compat }.lay_out().unwrap();
        let image = Image::read(&mut Cursor::new(assemble(&layout))).unwrap();
        assert_eq!(image.nx_compat(), kernel_nx_compat);
    }
}

#[test]
fn a_uki_that_was_cut_off_names_the_section() {
    let file = assemble(&lay_out(&stub(0x1000, 0x600), b"x", &[LINUX]).unwrap());
    let error = Uki::read(&mut Cursor::new(&file[..file.len() - 5000])).unwrap_err();
    assert!(matches!(&error, Error::Truncated { name, .. } if name == ".linux"), "{error}");
    let stub = stub(0x1000, 0x600);
    assert!(matches!(Uki::read(&mut Cursor::new(&stub)), Err(Error::NotUki(".linux"))));
}

#[test]
fn sections_of_another_profile_are_not_those_of_the_base() {
    let names = [".linux", ".profile", ".cmdline"];
    let sections = names.map(|name| NewSection { name, size: 3 });
    let file = assemble(&lay_out(&stub(0x1000, 0x600), b"x", &sections).unwrap());
    let uki = Uki::read(&mut Cursor::new(&file)).unwrap();
    assert!(uki.range(".linux").is_some());
    assert_eq!(uki.range(".cmdline"), None);
}

proptest! {
    #[test]
    fn no_bytes_make_reader_or_writer_panic(
        flips in proptest::collection::vec((0usize..0x600, any::<u8>()), 0..12),
        words in proptest::collection::vec((0usize..0x17c, any::<u32>()), 0..3),
        cut in any::<prop::sample::Index>(),
        shorten in any::<bool>(),
    ) {
        let mut bytes = stub(0x1000, 0x600);
        for (at, byte) in flips {
            bytes[at] = byte;
        }
        for (at, word) in words {
            bytes[at * 4..at * 4 + 4].copy_from_slice(&word.to_le_bytes());
        }
        if shorten {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(image) = Image::read(&mut Cursor::new(&bytes)) {
            for section in &image.sections {
                prop_assert!(section.size() == 0 || section.range().end <= bytes.len() as u64);
            }
            let _ = StubVersion::of(&image, &bytes);
        }
        if let Ok(layout) = lay_out(&bytes, &[b'x'; 300], &[CMDLINE, LINUX]) {
            let file = assemble(&layout);
            let uki = Uki::read(&mut Cursor::new(&file));
            prop_assert!(uki.is_ok(), "{uki:?}");
        }
    }
}
