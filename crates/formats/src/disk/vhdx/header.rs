//! The two headers (MS-VHDX 2.2.2).
//!
//! ```text
//!    0 "head"           16 FileWriteGuid   64 LogVersion
//!    4 Checksum         32 DataWriteGuid   66 Version
//!    8 SequenceNumber   48 LogGuid         68 LogLength   72 LogOffset
//! ```

use super::super::error::Result;
use super::super::field::{Fields, read_up_to};
use super::super::{Error, Format};
use crate::Guid;
use crate::ReadAt;

/// Where the headers are.
const OFFSETS: [u64; 2] = [64 << 10, 128 << 10];
/// How much of a header its checksum covers.
const SIZE: usize = 4096;

/// What the header says that counts.
#[derive(Debug, Clone)]
pub struct Header {
    /// It counts up at each change of the header.
    pub sequence_number: u64,
    /// It changes when the file was first written to after it was opened.
    pub file_write: Guid,
    /// It changes when the disk's bytes were; a differencing disk names its parent by it.
    pub data_write: Guid,
    /// Which entries of the log count; nil if there is nothing in it.
    pub log: Guid,
    /// Shared of the log.
    pub log_length: u32,
    /// Where the log is.
    pub log_offset: u64,
}

impl Header {
    /// Reads both headers and takes the newer one that is whole.
    ///
    /// # Errors
    /// When both are damaged, or of a version that is not read.
    pub fn read(bytes: &dyn ReadAt) -> Result<Self> {
        if !read_up_to(bytes, 0, 8)?.starts_with(b"vhdxfile") {
            return Err(broken(0, "this is not the signature of a VHDX".to_owned()));
        }
        let mut newest: Option<Self> = None;
        let mut fault = None;
        for offset in OFFSETS {
            match read_one(bytes, offset) {
                Ok(header)
                    if newest.as_ref().is_none_or(|old| old.sequence_number < header.sequence_number) =>
                {
                    newest = Some(header);
                }
                Ok(_) => {}
                Err(error) => fault = Some(error),
            }
        }
        newest.ok_or_else(|| fault.unwrap_or_else(|| broken(OFFSETS[0], "there is no header".to_owned())))
    }
}

pub(super) fn broken(offset: u64, what: String) -> Error {
    Error::Broken { format: Format::Vhdx, offset, what }
}

/// CRC-32C of `bytes` with the checksum's own field, at 4, as zeros.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let start = crc32c::crc32c(bytes.get(..4).unwrap_or_default());
    let field = crc32c::crc32c_append(start, &[0; 4]);
    crc32c::crc32c_append(field, bytes.get(8..).unwrap_or_default())
}

fn read_one(bytes: &dyn ReadAt, offset: u64) -> Result<Header> {
    let head = read_up_to(bytes, offset, SIZE)?;
    if !head.starts_with(b"head") {
        return Err(broken(offset, "there should be a header, which begins with \"head\"".to_owned()));
    }
    if head.le32(4) != Some(checksum(&head)) {
        return Err(broken(offset + 4, "the header's checksum is wrong".to_owned()));
    }
    let (header, versions) =
        parse(&head).ok_or_else(|| broken(offset, "the file ends in the header".to_owned()))?;
    if versions != (0, 1) {
        let what =
            format!("version {} with a log of version {} is not read, only 1 and 0", versions.1, versions.0);
        return Err(Error::Unsupported { format: Format::Vhdx, what });
    }
    Ok(header)
}

fn parse(head: &[u8]) -> Option<(Header, (u16, u16))> {
    let header = Header {
        sequence_number: head.le64(8)?,
        file_write: Guid { bytes: head.array(16)? },
        data_write: Guid { bytes: head.array(32)? },
        log: Guid { bytes: head.array(48)? },
        log_length: head.le32(68)?,
        log_offset: head.le64(72)?,
    };
    Some((header, (head.le16(64)?, head.le16(66)?)))
}
