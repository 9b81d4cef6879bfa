//! Rows of the new section table.

use crate::pe::{Section, bytes_at};

const CNT_CODE: u32 = 0x20;
const CNT_INITIALIZED_DATA: u32 = 0x40;
const MEM_READ: u32 = 0x4000_0000;

/// A row of the section table.
pub(super) struct Row {
    pub(super) section: Section,
    /// The row in the stub's table, whose other fields stay; `None` for a new one.
    old: Option<[u8; Self::SIZE]>,
}

impl Row {
    /// Bytes of a row.
    pub(super) const SIZE: usize = 40;

    /// The stub's row at `offset`.
    pub(super) fn old(section: &Section, stub: &[u8], offset: usize) -> Self {
        Self { section: section.clone(), old: Some(bytes_at(stub, offset).unwrap_or([0; Self::SIZE])) }
    }

    pub(super) fn new(
        name: &str,
        virtual_address: u32,
        raw_offset: u32,
        virtual_size: u32,
        raw_size: u32,
    ) -> Self {
        // The kernel counts as code, as ukify has it: with old kernels the stub jumps right into it.
        let content = if name == ".linux" { CNT_CODE } else { CNT_INITIALIZED_DATA };
        let characteristics = content | MEM_READ;
        let name = name.to_owned();
        let section = Section { name, virtual_address, virtual_size, raw_offset, raw_size, characteristics };
        Self { section, old: None }
    }

    pub(super) fn is_new(&self) -> bool {
        self.old.is_none()
    }

    pub(super) fn with_virtual_size(mut self, virtual_size: u32) -> Self {
        self.section.virtual_size = virtual_size;
        self
    }

    pub(super) fn bytes(&self) -> [u8; Self::SIZE] {
        let Section { name, virtual_address, virtual_size, raw_offset, raw_size, characteristics } =
            &self.section;
        let mut bytes = self.old.unwrap_or_else(|| {
            let mut fresh = [0; Self::SIZE];
            fresh.iter_mut().zip(name.bytes().take(8)).for_each(|(to, from)| *to = from);
            fresh
        });
        let fields = [virtual_size, virtual_address, raw_size, raw_offset];
        let values = fields.into_iter().flat_map(|field| field.to_le_bytes());
        bytes.iter_mut().skip(8).zip(values).for_each(|(to, from)| *to = from);
        let flags = characteristics.to_le_bytes();
        bytes.iter_mut().skip(36).zip(flags).for_each(|(to, from)| *to = from);
        bytes
    }
}

impl Section {
    /// Where it ends in memory.
    pub(super) fn virtual_end(&self) -> u64 {
        let size = if self.virtual_size == 0 { self.raw_size } else { self.virtual_size };
        u64::from(self.virtual_address) + u64::from(size)
    }
}
