//! Directories: blocks of sorted entries, each followed by the names of that block.
//!
//! ```text
//! block:  dirent … dirent │ name … name      dirent: nid u64, nameoff u16, file_type u8, reserved u8
//! ```

use std::collections::BTreeMap;

use super::BLOCK;
use super::raw_inode::FileType;
use crate::erofs::disk::DIRENT;

/// The names in a directory, sorted by their bytes, with `.` and `..` among them.
#[derive(Debug, Default)]
pub(super) struct Directory {
    pub names: BTreeMap<Vec<u8>, (usize, FileType)>,
}

impl Directory {
    /// Bytes of the directory.
    pub(super) fn size(&self) -> usize {
        let mut whole = 0;
        let mut used = 0;
        for name in self.names.keys() {
            let cost = DIRENT + name.len();
            if used + cost > BLOCK {
                (whole, used) = (whole + BLOCK, 0);
            }
            used += cost;
        }
        whole + used
    }

    /// The entries as [`size`](Self::size) counted them; `nid` tells the number of an inode.
    pub(super) fn encode(&self, nid: impl Fn(usize) -> u64) -> Vec<u8> {
        let mut out = Vec::new();
        let mut block: Vec<(&[u8], u64, FileType)> = Vec::new();
        let mut used = 0;
        for (name, (inode, kind)) in &self.names {
            let cost = DIRENT + name.len();
            if used + cost > BLOCK {
                encode_block(&block, &mut out);
                out.resize(out.len().next_multiple_of(BLOCK), 0);
                block.clear();
                used = 0;
            }
            used += cost;
            block.push((name, nid(*inode), *kind));
        }
        encode_block(&block, &mut out);
        out
    }
}

fn encode_block(entries: &[(&[u8], u64, FileType)], out: &mut Vec<u8>) {
    let mut offset = entries.len() * DIRENT;
    for (name, nid, kind) in entries {
        out.extend(nid.to_le_bytes());
        out.extend((offset as u16).to_le_bytes());
        out.extend([*kind as u8, 0]);
        offset += name.len();
    }
    entries.iter().for_each(|(name, ..)| out.extend(*name));
}
