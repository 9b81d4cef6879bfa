//! The head of a Linux kernel for x86 (bzImage), as far as those need it who boot one.
//!
//! Specification: Linux, `Documentation/arch/x86/boot.rst`. Offsets in the file, little-endian:
//!
//! ```text
//! 0x202  "HdrS"
//! 0x206  u16 version of the boot protocol, 0x020f for 2.15
//! 0x20e  u16 kernel_version: the version text starts at this + 0x200, ends with NUL
//! 0x236  u16 xloadflags
//! 0x238  u32 cmdline_size: longest command line, its NUL not counted
//! ```
//!
//! Not supported: kernels of other architectures, which have no version at a known place.

use std::io::{Read, Seek, SeekFrom};

/// The most bytes from the start of a kernel that are read: what 16 bits can point at, and a text.
const HEAD: u64 = 0x200 + 0xffff + MAX_VERSION;

/// The longest version text in bytes. Real ones have about 130.
const MAX_VERSION: u64 = 512;

/// What a bzImage says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// The whole version text: `6.12.107+deb13-amd64 (debian-kernel@lists.debian.org) #1 SMP …`.
    pub version: String,
    /// Boot protocol: major version in the upper byte, minor in the lower.
    pub protocol: u16,
    /// `xloadflags`, see [`XLF_KERNEL_64`](Self::XLF_KERNEL_64).
    pub load_flags: u16,
    /// The longest command line that it takes, in bytes; `None` before protocol 2.06 (255 then).
    pub command_line_max: Option<u32>,
}

/// Why a file is no bzImage.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file failed.
    #[error("kernel: reading its head failed")]
    Read(#[from] std::io::Error),
    /// No magic.
    #[error("not a Linux kernel for x86 (bzImage): no \"HdrS\" at offset 0x202")]
    Magic,
    /// Cut off, or no text where the header points at.
    #[error("kernel: no version text at offset {offset:#x}, where its header points at")]
    Version {
        /// Where it should be.
        offset: usize,
    },
}

impl Kernel {
    /// It has an entry point for 64 bits.
    pub const XLF_KERNEL_64: u16 = 0x1;
    /// It, its command line and its initrd can lie above 4 GiB.
    pub const XLF_CAN_BE_LOADED_ABOVE_4G: u16 = 0x2;

    /// Reads the head of `source`, at most some 65 KiB.
    pub fn read(source: &mut (impl Read + Seek)) -> Result<Self, Error> {
        source.seek(SeekFrom::Start(0))?;
        let mut head = Vec::new();
        source.take(HEAD).read_to_end(&mut head)?;
        Self::parse(&head)
    }

    /// Takes the head of a kernel apart.
    pub fn parse(head: &[u8]) -> Result<Self, Error> {
        let at = |offset: usize| Some(u16::from_le_bytes(head.get(offset..offset + 2)?.try_into().ok()?));
        if head.get(0x202..0x206) != Some(b"HdrS") {
            return Err(Error::Magic);
        }
        let (Some(protocol), Some(pointer)) = (at(0x206), at(0x20e)) else { return Err(Error::Magic) };
        let offset = 0x200 + usize::from(pointer);
        let text = head.get(offset..).unwrap_or_default();
        let end = text.iter().take(MAX_VERSION as usize).position(|&byte| byte == 0);
        let text = end.and_then(|end| text.get(..end)).and_then(|text| std::str::from_utf8(text).ok());
        let version = text.filter(|text| pointer != 0 && text.starts_with(|c: char| c.is_ascii_digit()));
        let version = version.ok_or(Error::Version { offset })?.to_owned();
        let line = at(0x238).zip(at(0x23a)).map(|(low, high)| u32::from(high) << 16 | u32::from(low));
        Ok(Self {
            version,
            protocol,
            load_flags: at(0x236).filter(|_| protocol >= 0x20c).unwrap_or(0),
            command_line_max: line.filter(|_| protocol >= 0x206),
        })
    }

    /// What `uname -r` says on it: the version text up to its first space.
    pub fn release(&self) -> &str {
        self.version.split(' ').next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The head of a bzImage of that protocol with its version text at 0x240.
    fn head(protocol: u16) -> Vec<u8> {
        let mut head = vec![0; 0x300];
        head[0x202..0x206].copy_from_slice(b"HdrS");
        head[0x206..0x208].copy_from_slice(&protocol.to_le_bytes());
        head[0x20e..0x210].copy_from_slice(&0x40u16.to_le_bytes());
        head[0x236] = 0x3f;
        head[0x238..0x23c].copy_from_slice(&0x107ffu32.to_le_bytes());
        head[0x240..0x256].copy_from_slice(b"6.12.1-amd64 (me) #1\0x");
        head
    }

    #[test]
    fn a_kernel_tells_its_release_and_its_longest_command_line() {
        let kernel = Kernel::parse(&head(0x20f)).unwrap();
        assert_eq!((kernel.release(), kernel.version.as_str()), ("6.12.1-amd64", "6.12.1-amd64 (me) #1"));
        assert_eq!((kernel.command_line_max, kernel.load_flags), (Some(0x107ff), 0x3f));
        assert_eq!(Kernel::parse(&head(0x205)).unwrap().command_line_max, None);
    }

    #[test]
    fn what_is_no_kernel_is_told_from_a_kernel_without_version() {
        assert!(matches!(Kernel::parse(b"MZ"), Err(Error::Magic)));
        let cut = &head(0x20f)[..0x250];
        assert!(matches!(Kernel::parse(cut), Err(Error::Version { offset: 0x240 })));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(pointer in any::<u16>(), cut in 0usize..0x300) {
            let mut head = head(0x20f);
            head[0x20e..0x210].copy_from_slice(&pointer.to_le_bytes());
            let _ = Kernel::parse(&head[..cut]);
            let _ = Kernel::parse(&head);
        }
    }
}
