//! The snapshot table.
//!
//! ```text
//!    0 l1_table_offset   12 id_str_size   16 date_sec        32 vm_state_size (old)
//!    8 l1_size           14 name_size     20 date_nsec       36 extra_data_size
//!                                         24 vm_clock_nsec   40 extra data, id, name, up to a multiple of 8
//!   extra data: 0 vm_state_size, 8 size of the disk then, 16 icount
//! ```

use super::super::error::Result;
use super::super::field::{Fields, read_up_to};
use super::header::{Header, broken};
use crate::ReadAt;

/// What QEMU takes; it bounds the time that listing takes.
const MAX_SNAPSHOTS: u32 = 65_536;

/// Only the fields that are known are read of the extra data; QEMU refuses more than this.
const MAX_EXTRA: u32 = 1024;

/// A state of the disk that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its number, as a text.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was made, in seconds since 1970.
    pub date: u32,
    /// Shared of the disk then.
    pub size: u64,
    /// Shared of the machine's memory and devices that were kept with it; 0 for the disk alone.
    pub vm_state_size: u64,
    /// Where its L1 table is.
    pub l1_table_offset: u64,
    /// Entries of its L1 table.
    pub l1_size: u32,
}

/// Reads all of them.
pub(super) fn read(bytes: &dyn ReadAt, header: &Header) -> Result<Vec<Snapshot>> {
    if header.nb_snapshots > MAX_SNAPSHOTS {
        return Err(broken(60, format!("{} snapshots are more than {MAX_SNAPSHOTS}", header.nb_snapshots)));
    }
    let mut snapshots = Vec::new();
    let mut at = header.snapshots_offset;
    for _ in 0..header.nb_snapshots {
        let (snapshot, next) = read_one(bytes, header, at)?;
        snapshots.push(snapshot);
        at = next;
    }
    Ok(snapshots)
}

fn read_one(bytes: &dyn ReadAt, header: &Header, at: u64) -> Result<(Snapshot, u64)> {
    let ends = || broken(at, "the file ends in this snapshot's entry".to_owned());
    let head = read_up_to(bytes, at, 64)?;
    let lengths = (head.be16(12), head.be16(14), head.be32(36));
    let (Some(id_length), Some(name_length), Some(extra)) = lengths else { return Err(ends()) };
    if extra > MAX_EXTRA {
        return Err(broken(
            at.saturating_add(36),
            format!("{extra} bytes of extra data are more than {MAX_EXTRA}"),
        ));
    }
    let texts_at = at.saturating_add(40 + u64::from(extra));
    let (id_length, name_length) = (usize::from(id_length), usize::from(name_length));
    let texts = read_up_to(bytes, texts_at, id_length + name_length)?;
    let (Some(id), Some(name)) = (texts.get(..id_length), texts.get(id_length..id_length + name_length))
    else {
        return Err(ends());
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let parse = || {
        Some(Snapshot {
            id: text(id),
            name: text(name),
            date: head.be32(16)?,
            size: if extra >= 16 { head.be64(48)? } else { header.size },
            vm_state_size: if extra >= 8 { head.be64(40)? } else { u64::from(head.be32(32)?) },
            l1_table_offset: head.be64(0)?,
            l1_size: head.be32(8)?,
        })
    };
    let next = texts_at.saturating_add(texts.len() as u64).checked_next_multiple_of(8);
    let next = next.ok_or_else(ends)?;
    Ok((parse().ok_or_else(ends)?, next))
}
