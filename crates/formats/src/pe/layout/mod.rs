//! The writer of a UKI: where everything goes, computed before a byte of it is copied.
//!
//! ```text
//! headers            the stub's, with new rows in the section table
//! the stub's data    as it is; the last section padded up to a page
//! new sections       each at a multiple of 4096, padded with NUL to the next one, no gap between them
//!                    (a gap would be hashed by some signing tools and not by others)
//! ```
//!
//! A merged `.sbat` replaces the stub's in place where it fits; else the stub's row leaves the table and
//! a new one takes its part. When the table has no room for the new rows, the headers grow and the data
//! moves back. The symbols that older stubs carry behind their last section are left out.

mod stub;
mod table;

use super::{Error, PAGE};
use stub::Stub;
use table::Row;

/// The largest stub in bytes. Those of systemd have about 100 KiB; it bounds what is held in memory.
pub const MAX_STUB: usize = 16 << 20;

/// A section that is added to the stub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewSection<'a> {
    /// Its name, 1 to 8 bytes.
    pub name: &'a str,
    /// Its exact length in bytes, not 0.
    pub size: u64,
}

/// What a UKI is to be made of.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// The whole stub.
    pub stub: &'a [u8],
    /// The merged content of `.sbat`, see [`sbat`](super::sbat).
    pub sbat: &'a [u8],
    /// The new sections, in the order of the file; `.sbat` is none of them.
    pub sections: &'a [NewSection<'a>],
    /// Whether the kernel runs where data cannot be executed. The UKI says so of itself only if both
    /// stub and kernel do.
    pub kernel_nx_compat: bool,
}

/// Where the content of a new section goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Its offset in the file, a multiple of [`PAGE`].
    pub offset: u64,
    /// Its exact length.
    pub size: u64,
    /// The length with the NULs that must follow it.
    pub padded: u64,
}

/// A UKI, but for the contents of its new sections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The first bytes of the file, up to the first new section.
    pub head: Vec<u8>,
    /// The new sections, in the order of the [`Plan`]. Each starts where the one before ends.
    pub sections: Vec<Placed>,
    /// Length of the file.
    pub size: u64,
}

/// Why there is no UKI out of these parts.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// The stub is no PE file.
    #[error("the stub cannot be read")]
    Stub(#[from] Error),
    /// The stub is signed.
    #[error("the stub is signed, which new sections would break: strip it with sbattach --remove")]
    Signed,
    /// The stub is no EFI application.
    #[error("the stub has Subsystem {0}, an EFI application has 10")]
    Subsystem(u16),
    /// The stub has a layout that this writer does not keep.
    #[error("the stub has {field} {value:#x}: {reason}")]
    Unfit {
        /// The field of the specification.
        field: &'static str,
        /// Its value.
        value: u64,
        /// Why.
        reason: &'static str,
    },
    /// The stub has the section already, or two of the new ones share a name.
    #[error("there is a section {0} already: is the stub a UKI itself?")]
    Exists(String),
    /// A name that the table cannot hold, or no content.
    #[error("section {0:?} needs a name of 1 to 8 bytes and content")]
    Section(String),
    /// No room in the headers, and they cannot grow.
    #[error("the stub's headers have {room} bytes, {needed} are needed, and they cannot grow: {reason}")]
    Headers {
        /// Bytes that are there.
        room: u64,
        /// Bytes that are needed.
        needed: u64,
        /// Why they cannot grow.
        reason: &'static str,
    },
    /// Beyond what 32 bits can tell.
    #[error("the UKI would have {0} bytes, and a PE file ends at 4 GiB: fetch the root, do not embed it")]
    TooLarge(u64),
}

impl Plan<'_> {
    /// Computes headers and offsets.
    pub fn lay_out(&self) -> Result<Layout, LayoutError> {
        let stub = Stub::check(self.stub)?;
        self.check_sections(&stub)?;
        let mut rows = stub.rows();
        let sbat_in_place = self.replace_sbat(&mut rows);
        let mut head = stub.headers(rows.len() + self.sections.len() + usize::from(!sbat_in_place))?;
        let size_of_headers = head.len() as u32;
        stub.copy_data(&mut rows, self.sbat, &mut head)?;
        if !sbat_in_place {
            let sbat = NewSection { name: ".sbat", size: self.sbat.len() as u64 };
            let placed = stub.append(&mut rows, head.len() as u64, &sbat)?;
            head.extend_from_slice(self.sbat);
            head.resize((placed.offset + placed.padded) as usize, 0);
        }
        let mut size = head.len() as u64;
        let mut sections = Vec::with_capacity(self.sections.len());
        for section in self.sections {
            let placed = stub.append(&mut rows, size, section)?;
            size = placed.offset + placed.padded;
            sections.push(placed);
        }
        stub.patch_headers(&rows, &mut head, size_of_headers);
        if !self.kernel_nx_compat {
            stub.clear_nx_compat(&mut head);
        }
        Ok(Layout { head, sections, size })
    }

    fn check_sections(&self, stub: &Stub<'_>) -> Result<(), LayoutError> {
        for (index, new) in self.sections.iter().enumerate() {
            let repeated = self.sections.iter().take(index).any(|other| other.name == new.name);
            if repeated || stub.has(new.name) || new.name == ".sbat" {
                return Err(LayoutError::Exists(new.name.to_owned()));
            }
            if new.name.is_empty() || new.name.len() > 8 || new.size == 0 {
                return Err(LayoutError::Section(new.name.to_owned()));
            }
        }
        Ok(())
    }

    /// Gives the merged SBAT the stub's place for it, if it fits there; else takes the stub's row out.
    fn replace_sbat(&self, rows: &mut Vec<Row>) -> bool {
        let Some(index) = rows.iter().position(|row| row.section.name == ".sbat") else { return false };
        let row = rows.remove(index);
        let address = row.section.virtual_address;
        let above = rows.iter().map(|row| row.section.virtual_address).filter(|&other| other >= address);
        let room = above.min().unwrap_or(u32::MAX) - address;
        let fits = self.sbat.len() <= room.min(row.section.raw_size) as usize;
        if fits {
            rows.insert(index, row.with_virtual_size(self.sbat.len() as u32));
        }
        fits
    }
}

/// The length of `size` bytes padded to a page.
fn to_page(size: u64) -> Result<u64, LayoutError> {
    let padded = size.checked_next_multiple_of(PAGE).filter(|&padded| padded <= u64::from(u32::MAX));
    padded.ok_or(LayoutError::TooLarge(size))
}
