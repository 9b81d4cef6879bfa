//! Disks that name other files: backing files, parents, parts, all of them hostile.

use std::io;
use std::sync::Arc;

use bootwright_formats::ReadAt as _;
use bootwright_formats::disk::{self, Disk, Files, Source};

/// The most bytes that are asked of a disk: reading goes through the whole chain.
const READ: usize = 4096;

/// The files that the first one may name: an input holds them one after the other, each behind its length.
struct Directory(Vec<Vec<u8>>);

impl Directory {
    fn unpack(mut data: &[u8]) -> Self {
        let mut files = Vec::new();
        while let Some((length, rest)) = data.split_first_chunk::<4>() {
            let length = (u32::from_le_bytes(*length) as usize).min(rest.len());
            let (file, rest) = rest.split_at(length);
            files.push(file.to_vec());
            data = rest;
        }
        Self(files)
    }
}

impl Files for Directory {
    /// Any name is some file: which one, the digit before its ending says.
    fn open(&self, _: &str, name: &str) -> io::Result<Source> {
        let stem = name.split('.').next().unwrap_or_default();
        let digit = stem.bytes().rev().find(u8::is_ascii_digit).map_or(1, |digit| usize::from(digit - b'0'));
        let number = digit % self.0.len().max(1);
        let bytes = self.0.get(number).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Source { name: number.to_string(), bytes: Arc::new(bytes) })
    }
}

/// Opening ends, and so does reading, whatever they name.
pub fn target(data: &[u8]) {
    let files = Directory::unpack(data);
    let Ok(first) = files.open("", "0") else { return };
    let Ok(disk) = disk::open(first, &files) else { return };
    let mut buffer = vec![0; READ];
    for at in [0, 512, 1024, disk.size() / 2, disk.size().saturating_sub(1)] {
        let _ = disk.read_at(at, &mut buffer);
        let _ = disk.extent(at);
    }
    let Disk::Qcow2(disk) = disk else { return };
    let names: Vec<_> = disk.snapshots.iter().map(|snapshot| snapshot.name.clone()).collect();
    if let Some(Ok(snapshot)) = names.first().map(|name| disk.into_snapshot(name)) {
        let _ = snapshot.read_at(0, &mut buffer);
        let _ = snapshot.extent(1024);
    }
}

fn pack(files: &[&[u8]]) -> Vec<u8> {
    let with_length = |file: &&[u8]| [&(file.len() as u32).to_le_bytes()[..], file].concat();
    files.iter().flat_map(with_length).collect()
}

/// A valid input by qemu-img: a child with a snapshot and its parent.
pub fn seed() -> Vec<u8> {
    pack(&[include_bytes!("../../corpus/disk/child.qcow2"), include_bytes!("../../corpus/disk/base.qcow2")])
}

/// Others: extended L2 entries; a VMDK that is a text and its part; two disks that are each other's parent.
pub fn seeds() -> [Vec<u8>; 3] {
    [
        pack(&[include_bytes!("../../corpus/disk/extended.qcow2")]),
        pack(&[include_bytes!("../../corpus/disk/flat.vmdk"), &[7; 65_536]]),
        pack(&[
            &[],
            include_bytes!("../../corpus/disk/circle1.qcow2"),
            include_bytes!("../../corpus/disk/circle2.qcow2"),
        ]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first byte of each sector, up to the first that is zero at the end.
    fn sectors(data: &[u8], first: &str) -> Result<Vec<u8>, disk::Error> {
        let files = Directory::unpack(data);
        let disk = disk::open(files.open("", first).unwrap(), &files)?;
        let mut bytes = vec![0; disk.size() as usize];
        disk.read_exact_at(0, &mut bytes).unwrap();
        Ok(bytes.chunks(512).map(|sector| sector[0]).collect())
    }

    #[test]
    fn the_seeds_hold_what_qemu_wrote_and_the_circle_is_refused() {
        let child = sectors(&seed(), "0").unwrap();
        assert_eq!((child[..4].to_vec(), child[80], child.len()), (vec![0x11, 0x33, 0x44, 0], 0x22, 192));
        let [extended, flat, circle] = seeds();
        assert_eq!(sectors(&extended, "0").unwrap()[..3], [0, 0x55, 0]);
        assert_eq!(sectors(&flat, "0").unwrap(), [7; 128]);
        assert!(matches!(sectors(&circle, "1"), Err(disk::Error::Cycle(_))));
    }

    #[test]
    fn the_other_seeds_broken_break_nothing() {
        seeds().into_iter().for_each(|seed| crate::mutate_for(crate::rounds() / 20, seed, target));
    }
}
