//! PE files: the reader, and the writer that takes one for a stub.

use std::io::Cursor;

use bootwright_formats::linux::Kernel;
use bootwright_formats::pe::{Image, Layout, NewSection, Plan, StubVersion, Uki};

/// Sections lie within the file; a layout that is made can be read back.
pub fn target(data: &[u8]) {
    let _ = Kernel::parse(data);
    if let Ok(image) = Image::read(&mut Cursor::new(data)) {
        for section in image.sections.iter().filter(|section| section.size() > 0) {
            assert!(section.range().end <= data.len() as u64);
        }
        let _ = StubVersion::of(&image, data);
    }
    if let Ok(uki) = Uki::read(&mut Cursor::new(data)) {
        let _ = uki.text(&mut Cursor::new(data), ".cmdline");
    }
    let sections = [NewSection { name: ".linux", size: 5000 }];
    let plan = Plan { stub: data, sbat: &[b'x'; 300], sections: &sections, kernel_nx_compat: false };
    if let Ok(layout) = plan.lay_out() {
        assert!(Uki::read(&mut Cursor::new(fill(&layout))).is_ok());
    }
}

fn fill(layout: &Layout) -> Vec<u8> {
    let mut file = layout.head.clone();
    file.resize(usize::try_from(layout.size).unwrap_or(0), 0);
    file
}

/// A valid input: the headers of a stub with one section.
pub fn seed() -> Vec<u8> {
    let fields: [(usize, &[u8]); 16] = [
        (0, b"MZ"),
        (0x3c, &[0x40]),
        (0x40, b"PE\0\0"),
        (0x44, &[0x64, 0x86, 1]),
        (0x54, &[240]),
        (0x58, &[0x0b, 0x02]),
        (0x79, &[0x10]),
        (0x7d, &[0x02]),
        (0x91, &[0x20]),
        (0x95, &[0x02]),
        (0x9c, &[10]),
        (0xc4, &[16]),
        (0x148, b".sdmagic\x33"),
        (0x155, &[0x10]),
        (0x159, &[0x02, 0, 0, 0, 0x02]),
        (0x200, b"#### LoaderInfo: systemd-stub 257.13-1~deb13u1 ####"),
    ];
    let mut file = vec![0; 0x400];
    for (offset, value) in fields {
        file.iter_mut().skip(offset).zip(value).for_each(|(to, from)| *to = *from);
    }
    file
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_seed_is_a_stub() {
        let stub = super::seed();
        let sections = [super::NewSection { name: ".linux", size: 5000 }];
        let plan = super::Plan { stub: &stub, sbat: b"x", sections: &sections, kernel_nx_compat: false };
        plan.lay_out().unwrap();
        let image = super::Image::parse(&stub, stub.len() as u64).unwrap();
        assert_eq!(super::StubVersion::of(&image, &stub).unwrap().text, "257.13-1~deb13u1");
    }
}
