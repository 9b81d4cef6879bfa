//! PE32+ files as UEFI runs them, and the unified kernel image (UKI) among them.
//!
//! Specifications: Microsoft's "PE Format"; UAPI.5 "Unified Kernel Image". All numbers little-endian:
//!
//! ```text
//! 0           "MZ" … u32 e_lfanew at 0x3c
//! e_lfanew    "PE\0\0"
//! +4          COFF header, 20 bytes: Machine NumberOfSections … SizeOfOptionalHeader Characteristics
//! +24         optional header: Magic 0x20b … SectionAlignment FileAlignment … SizeOfImage
//!             SizeOfHeaders CheckSum Subsystem … NumberOfRvaAndSizes, data directories
//!             (directory 4 is the certificate table; its address is an offset in the *file*)
//! + its size  section table, 40 bytes each: Name[8] VirtualSize VirtualAddress SizeOfRawData
//!             PointerToRawData … Characteristics
//! SizeOfHeaders …  raw data of the sections
//! ```
//!
//! * [`Image`] reads the headers from any `Read + Seek`, nothing of the sections' data.
//! * [`Uki`] finds kernel, initrd and the rest in them, as byte ranges of the file.
//! * [`Layout`] plans a UKI out of a stub and sections whose lengths are known; whoever calls it copies
//!   the data, so that it takes no memory.
//! * [`sbat`] merges the revocation data of stub, kernel and user.
//!
//! Not supported: PE32 (32-bit) files, and other profiles of a multi-profile UKI than its base.

mod layout;
mod reader;
pub mod sbat;
mod uki;

pub use layout::{Layout, LayoutError, MAX_STUB, NewSection, Placed, Plan};
pub use reader::{CertificateTable, Image, Machine, Section};
pub use uki::{StubVersion, Uki};

/// The unit in which a UKI's sections lie in the file, in bytes: a page, so that a container (an ISO, a
/// cloned file, a mapping) can point at a section where it lies.
pub const PAGE: u64 = 4096;

/// Headers must lie within this many bytes from the file's start. Real ones take less than a page; it
/// bounds what is read into memory.
pub const MAX_HEADERS: usize = 64 << 10;

/// The most sections: the limit of Windows' own loader. A UKI has about fifteen.
pub const MAX_SECTIONS: usize = 96;

/// The most bytes of a section that is read as text (`.cmdline`, `.osrel`, `.uname`, `.sbat`).
pub const MAX_TEXT: u64 = 64 << 10;

/// Why a file is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file failed.
    #[error("PE file: reading at offset {offset} failed")]
    Read {
        /// Where.
        offset: u64,
        /// Its own error.
        source: std::io::Error,
    },
    /// Something that must be there is not.
    #[error("not a PE32+ file: {what} at offset {offset:#x} is missing or wrong")]
    NotPe {
        /// The field of the specification.
        what: &'static str,
        /// Where it should be.
        offset: u64,
    },
    /// A field with a value that cannot be.
    #[error("PE file: {field} is {value:#x}: {reason}")]
    Field {
        /// The field of the specification.
        field: &'static str,
        /// Its value.
        value: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A section whose data is not in the file.
    #[error(
        "PE file: section {name} has its data at {start} to {end}, the file ends at {length}: it is cut off"
    )]
    Truncated {
        /// The section.
        name: String,
        /// Where its data starts, in bytes.
        start: u64,
        /// Where its data ends.
        end: u64,
        /// Bytes of the file.
        length: u64,
    },
    /// A PE file, but no UKI.
    #[error("not a unified kernel image: it has no section {0}")]
    NotUki(&'static str),
    /// A text section that is too long.
    #[error("section {name} has {size} bytes, more than {MAX_TEXT} for a text")]
    TextSize {
        /// The section.
        name: String,
        /// Its bytes.
        size: u64,
    },
}

/// `N` bytes at `offset`, where there are as many.
fn bytes_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes_at(bytes, offset).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes_at(bytes, offset).map(u32::from_le_bytes)
}
