//! The header of a swap area.
//!
//! Specification: `union swap_header` in Linux's `include/linux/swap.h`. The first page, numbers in the byte
//! order of the machine, here little-endian:
//!
//! ```text
//! 0     boot code, 1024 bytes
//! 1024  u32 version 1, last page, number of bad pages (0)
//! 1036  UUID, label (16 bytes)
//! 4086  "SWAPSPACE2"
//! ```
//!
//! Not supported: pages of other sizes than 4096 bytes (arm64 kernels may have 64 KiB: mkswap there), bad pages,
//! reading (`bootwright inspect` tells the magic).

use crate::Guid;
use crate::fields::put;

/// Bytes of a page, and of the header.
pub const PAGE: u64 = 4096;

/// The fewest pages that the kernel takes for a swap area, as mkswap(8) has it.
const MIN_PAGES: u64 = 10;

/// Bytes of a label.
const LABEL: usize = 16;

/// Why there is no header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SwapError {
    /// Too small, or more pages than 32 bits can tell.
    #[error(
        "swap: an area has at least {MIN_PAGES} pages of {PAGE} bytes, at most 2^32 of them, not {0} bytes"
    )]
    Size(u64),
    /// A label that does not fit.
    #[error("swap: {0:?} is no label: at most {LABEL} bytes")]
    Label(String),
}

/// The first page of a swap area of `size` bytes; the rest of it may hold anything.
///
/// # Errors
/// [`SwapError`] when size or label cannot be.
pub fn header(size: u64, label: &str, guid: Guid) -> Result<Vec<u8>, SwapError> {
    let pages = size / PAGE;
    let last = pages.checked_sub(1).and_then(|last| u32::try_from(last).ok());
    let last = last.filter(|_| pages >= MIN_PAGES).ok_or(SwapError::Size(size))?;
    if label.len() > LABEL {
        return Err(SwapError::Label(label.to_owned()));
    }
    let mut page = vec![0; PAGE as usize];
    put(&mut page, 1024, &1_u32.to_le_bytes());
    put(&mut page, 1028, &last.to_le_bytes());
    put(&mut page, 1036, &guid.ordered());
    put(&mut page, 1052, label.as_bytes());
    put(&mut page, 4086, b"SWAPSPACE2");
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn blkid_and_swaplabel_read_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let guid: Guid = "0a1b2c3d-0000-8000-8000-00000000abcd".parse().unwrap();
        std::fs::write(file.path(), header(1 << 20, "swap", guid).unwrap()).unwrap();
        file.as_file().set_len(1 << 20).unwrap();
        let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
        for arguments in [["blkid", "--probe"].as_slice(), &["swaplabel"]] {
            let mut judge = Command::new(arguments[0]);
            let output = judge.args(&arguments[1..]).arg(file.path()).env("PATH", &path).output();
            let said = String::from_utf8(output.expect("a program of util-linux").stdout).unwrap();
            assert!(said.contains("swap") && said.contains(&guid.to_string()), "{arguments:?}: {said}");
        }
    }

    #[test]
    fn what_the_kernel_would_refuse_is_not_written() {
        assert_eq!(header(9 * PAGE, "", Guid::NIL), Err(SwapError::Size(9 * PAGE)));
        assert_eq!(header(u64::MAX, "", Guid::NIL), Err(SwapError::Size(u64::MAX)));
        assert!(matches!(header(1 << 20, "seventeen letters", Guid::NIL), Err(SwapError::Label(_))));
    }
}
