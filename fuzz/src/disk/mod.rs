//! Disks of virtual machines. An image is large and mostly zeros, so the input is a compact form of it: its
//! length, then each sector that is not zero behind its number. Almost every byte of it means something.

pub mod chain;
pub mod qcow2;
pub mod vdi;
pub mod vhd;
pub mod vhdx;
pub mod vmdk;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bootwright_formats::disk::{Disk, Format};
use bootwright_formats::{ExtentKind, ReadAt};

const SECTOR: usize = 512;

/// No more runs of one disk are looked at.
const MAX_RUNS: usize = 30;

/// An image, unpacked from its compact form.
pub struct Sparse {
    size: u64,
    sectors: BTreeMap<u64, [u8; SECTOR]>,
}

impl Sparse {
    /// Reads the compact form.
    pub fn unpack(data: &[u8]) -> Self {
        let (size, rest) = data.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
        let sectors = rest.chunks(4 + SECTOR).filter_map(|piece| {
            let (number, bytes) = piece.split_first_chunk::<4>()?;
            let mut sector = [0; SECTOR];
            sector.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            Some((u64::from(u32::from_le_bytes(*number)), sector))
        });
        Self { size: u64::from_le_bytes(*size), sectors: sectors.collect() }
    }

    /// Makes the compact form.
    pub fn pack(image: &[u8]) -> Vec<u8> {
        let mut packed = (image.len() as u64).to_le_bytes().to_vec();
        for (number, sector) in (0u32..).zip(image.chunks(SECTOR)) {
            if sector.iter().any(|&byte| byte != 0) {
                packed.extend(number.to_le_bytes());
                packed.extend(sector);
            }
        }
        packed
    }

    /// Makes the compact form again.
    pub fn repack(&self) -> Vec<u8> {
        let mut packed = self.size.to_le_bytes().to_vec();
        for (number, sector) in &self.sectors {
            packed.extend((*number as u32).to_le_bytes());
            packed.extend(sector);
        }
        packed
    }

    /// Changes the `length` bytes at `at`, to set a checksum right.
    pub fn change(&mut self, at: u64, length: usize, change: impl Fn(&mut [u8])) {
        let mut bytes = vec![0; length];
        if self.read_exact_at(at, &mut bytes).is_err() {
            return;
        }
        change(&mut bytes);
        for (number, sector) in (at / SECTOR as u64..).zip(bytes.chunks_exact(SECTOR)) {
            if let Ok(sector) = sector.try_into() {
                self.sectors.insert(number, sector);
            }
        }
    }
}

impl ReadAt for Sparse {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let number = offset / SECTOR as u64;
        let next = self.sectors.range(number..).next().map_or(u64::MAX, |(next, _)| *next);
        if next > number {
            // Nothing but zeros up to the next sector.
            let clear = usize::try_from(next.saturating_mul(SECTOR as u64) - offset).unwrap_or(usize::MAX);
            let count = buffer.len().min(left).min(clear);
            buffer.get_mut(..count).unwrap_or_default().fill(0);
            return Ok(count);
        }
        let within = (offset % SECTOR as u64) as usize;
        let count = buffer.len().min(left).min(SECTOR - within);
        let zeros = [0; SECTOR];
        let sector = self.sectors.get(&number).unwrap_or(&zeros);
        buffer.iter_mut().zip(sector.iter().skip(within)).take(count).for_each(|(to, from)| *to = *from);
        Ok(count)
    }
}

/// Opens an image and walks through it: runs follow each other, reading ends, nothing panics.
pub fn walk(image: Sparse, format: Format) {
    let Ok(disk) = Disk::parse(Arc::new(image), format) else { return };
    let _ = disk.references();
    let mut at = 0;
    let mut buffer = vec![0; 4096];
    for _ in 0..MAX_RUNS {
        let Ok(extent) = disk.extent(at) else { break };
        if at >= disk.size() {
            break;
        }
        assert!(extent.range.start == at && extent.range.end > at && extent.range.end <= disk.size());
        if extent.kind == ExtentKind::Data {
            let _ = disk.read_at(at, &mut buffer);
            let _ = disk.read_at(extent.range.end.saturating_sub(100), &mut buffer);
        }
        at = extent.range.end;
    }
    for at in [1, disk.size() / 2, disk.size().saturating_sub(1), u64::MAX - 1] {
        let _ = disk.read_at(at, &mut buffer);
    }
}

/// A disk with some data at its start and at its end.
pub fn content() -> Vec<u8> {
    let mut disk = vec![0; 3 << 20];
    for start in [0, 70_000, 3 << 20] {
        let bytes = disk.iter_mut().skip(usize::saturating_sub(start, 300)).take(300);
        (0..).zip(bytes).for_each(|(number, byte): (u32, _)| *byte = (number / 9) as u8 + 1);
    }
    disk
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_is_a_disk_with_the_content() {
        let seeds = [
            (qcow2::seed(), Format::Qcow2),
            (qcow2::compressed(), Format::Qcow2),
            (vdi::seed(), Format::Vdi),
            (vhd::seed(), Format::Vhd),
            (vhdx::seed(), Format::Vhdx),
            (vhdx::logged(), Format::Vhdx),
            (vmdk::seed(), Format::Vmdk),
            (vmdk::stream(), Format::Vmdk),
        ];
        for (seed, format) in seeds {
            let disk = Disk::parse(Arc::new(Sparse::unpack(&seed)), format).unwrap();
            let mut bytes = vec![0; disk.size() as usize];
            disk.read_exact_at(0, &mut bytes).unwrap();
            assert!(bytes == content(), "{format}");
        }
    }
}
