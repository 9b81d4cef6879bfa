//! The discovery log page (NVMe base specification 2.0, 5.16.1.23), read by an admin command. Little-endian.
//!
//! ```text
//! head, 1024 bytes     0 generation, u64    8 number of entries, u64   16 format, u16
//! entry, 1024 bytes    0 transport (3: TCP) 2 type of subsystem (2: NVM)
//!                     32 service, 32 bytes of text   256 name, 256   512 address, 256
//! ```
//!
//! `unsafe` because rustix has no wrapper for this ioctl (linux/nvme_ioctl.h): it takes a structure with the address
//! and the length of a buffer, both of which live until it returns.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;

/// `_IOWR('N', 0x41, struct nvme_admin_cmd)`.
const ADMIN_COMMAND: libc::Ioctl = 0xC048_4E41;
/// Get Log Page, and the page.
const GET_LOG_PAGE: u8 = 0x02;
const DISCOVERY: u32 = 0x70;

/// Bytes of the head, and of an entry.
const SIZE: usize = 1024;
/// Entries that are read: a subsystem has one for each of its ports.
const MOST: u64 = 64;

const TCP: u8 = 3;
const NVM_SUBSYSTEM: u8 = 2;

/// A subsystem and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its qualified name.
    pub nqn: String,
    /// An IP address.
    pub address: String,
    /// The TCP port.
    pub port: String,
}

/// `struct nvme_passthru_cmd`.
#[repr(C)]
#[derive(Default)]
struct Command {
    opcode: u8,
    flags: u8,
    reserved: u16,
    nsid: u32,
    cdw2: u32,
    cdw3: u32,
    metadata: u64,
    addr: u64,
    metadata_len: u32,
    data_len: u32,
    cdw10: u32,
    cdw11: u32,
    cdw12: u32,
    cdw13: u32,
    cdw14: u32,
    cdw15: u32,
    timeout_ms: u32,
    result: u32,
}

/// What the discovery controller `device` knows. Blocks.
pub fn entries(device: &Path) -> io::Result<Vec<Entry>> {
    let controller = File::open(device)?;
    // The head first: a controller may have nothing behind its last entry.
    let head = read(&controller, SIZE)?;
    let count = usize::try_from(count(&head).min(MOST)).unwrap_or_default();
    Ok(parse(&read(&controller, SIZE + count * SIZE)?))
}

fn read(controller: &File, length: usize) -> io::Result<Vec<u8>> {
    let mut page = vec![0_u8; length];
    let dwords = (length / 4 - 1) as u32;
    let mut command = Command {
        opcode: GET_LOG_PAGE,
        addr: page.as_mut_ptr() as u64,
        data_len: length as u32,
        cdw10: DISCOVERY | dwords << 16,
        cdw11: dwords >> 16,
        ..Command::default()
    };
    // SAFETY: the structure is the kernel's, and `page` has `data_len` bytes at `addr` until the call returns.
    match unsafe { libc::ioctl(controller.as_raw_fd(), ADMIN_COMMAND, &raw mut command) } {
        0 => Ok(page),
        -1 => Err(io::Error::last_os_error()),
        status => Err(io::Error::other(format!("NVMe status {status:#x}"))),
    }
}

fn count(page: &[u8]) -> u64 {
    page.get(8..).and_then(|rest| rest.first_chunk()).map_or(0, |count| u64::from_le_bytes(*count))
}

/// Subsystems by TCP; a reference to another discovery controller is not followed.
fn parse(page: &[u8]) -> Vec<Entry> {
    let count = usize::try_from(count(page)).unwrap_or(usize::MAX);
    let entries = page.get(SIZE..).unwrap_or_default().chunks_exact(SIZE).take(count);
    entries.filter_map(entry).collect()
}

fn entry(bytes: &[u8]) -> Option<Entry> {
    if (*bytes.first()?, *bytes.get(2)?) != (TCP, NVM_SUBSYSTEM) {
        return None;
    }
    let (port, nqn, address) = (text(bytes, 32, 32)?, text(bytes, 256, 256)?, text(bytes, 512, 256)?);
    // All three become fields between commas.
    address.parse::<std::net::IpAddr>().ok()?;
    port.parse::<u16>().ok()?;
    Some(Entry { nqn, address, port })
}

/// ASCII, filled up with spaces or NULs.
fn text(bytes: &[u8], at: usize, length: usize) -> Option<String> {
    let text = bytes.get(at..at + length)?.split(|byte| *byte == 0).next()?;
    let text = std::str::from_utf8(text).ok()?.trim();
    let sound = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
    sound.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(entries: &[(u8, u8, &str, &str, &str)]) -> Vec<u8> {
        let mut page = vec![0; SIZE];
        page[8] = entries.len() as u8;
        for (transport, kind, nqn, address, port) in entries {
            let mut entry = vec![b' '; SIZE];
            (entry[0], entry[2]) = (*transport, *kind);
            for (at, text) in [(32, port), (256, nqn), (512, address)] {
                entry[at..at + text.len()].copy_from_slice(text.as_bytes());
            }
            page.extend(entry);
        }
        page
    }

    #[test]
    fn the_kernels_structure_has_its_size() {
        assert_eq!(size_of::<Command>(), 0x48);
    }

    #[test]
    fn subsystems_by_tcp_are_read_and_others_passed_over() {
        let page = page(&[
            (3, 2, "nqn.lab:root", "10.0.0.1", "4420"),
            (1, 2, "nqn.lab:rdma", "10.0.0.1", "4420"),
            (3, 1, "nqn.lab:referral", "10.0.0.1", "8009"),
            (3, 2, "nqn.lab:a,b", "10.0.0.1", "4420"),
            (3, 2, "nqn.lab:odd", "10.0.0.1,x", "4420"),
        ]);
        let found = parse(&page);
        let wanted = Entry { nqn: "nqn.lab:root".into(), address: "10.0.0.1".into(), port: "4420".into() };
        assert_eq!(found, [wanted]);
    }

    proptest! {
        #[test]
        fn any_page_is_read(mut page in proptest::collection::vec(any::<u8>(), 0..3000)) {
            if let Some(kind) = page.get_mut(SIZE..SIZE + 3) {
                kind.copy_from_slice(&[TCP, 0, NVM_SUBSYSTEM]);
            }
            let _ = parse(&page);
        }
    }
}
