//! The stub: checked, its headers grown, its data copied.

use super::table::Row;
use super::{LayoutError, MAX_STUB, NewSection, Placed, to_page};
use crate::pe::{Image, MAX_HEADERS, MAX_SECTIONS, PAGE, u16_at, u32_at};

/// `IMAGE_FILE_LOCAL_SYMS_STRIPPED`.
const LOCAL_SYMS_STRIPPED: u16 = 0x8;

/// The data directory that names offsets in the file, beside that of the signatures.
const DEBUG_DIRECTORY: u32 = 6;

/// A stub that can be added to.
pub(super) struct Stub<'a> {
    bytes: &'a [u8],
    image: Image,
}

impl<'a> Stub<'a> {
    pub(super) fn check(bytes: &'a [u8]) -> Result<Self, LayoutError> {
        let unfit = |field, value: u64, reason| Err(LayoutError::Unfit { field, value, reason });
        if bytes.len() > MAX_STUB {
            return unfit("a length of", bytes.len() as u64, "no stub has more than 16 MiB");
        }
        let head = bytes.get(..bytes.len().min(MAX_HEADERS)).unwrap_or_default();
        let image = Image::parse(head, bytes.len() as u64)?;
        if image.certificates.is_some() {
            return Err(LayoutError::Signed);
        }
        if image.subsystem != Image::EFI_APPLICATION {
            return Err(LayoutError::Subsystem(image.subsystem));
        }
        let (file, section) = (image.file_alignment, image.section_alignment);
        if !file.is_power_of_two() || u64::from(file) > PAGE {
            return unfit("FileAlignment", file.into(), "it must be a power of 2, at most 4096");
        }
        if !section.is_power_of_two() || section > MAX_STUB as u32 {
            return unfit("SectionAlignment", section.into(), "it must be a power of 2, at most 16 MiB");
        }
        let table_end = image.table + image.sections.len() * Row::SIZE;
        let headers = image.size_of_headers as usize;
        if headers > head.len() || table_end > headers {
            return unfit("SizeOfHeaders", headers as u64, "the section table must lie within");
        }
        Ok(Self { bytes, image })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.image.section(name).is_some()
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        let rows = self.image.sections.iter().enumerate();
        rows.map(|(index, section)| Row::old(section, self.bytes, self.image.table + index * Row::SIZE))
            .collect()
    }

    /// The headers, grown if `rows` rows of the section table need it.
    pub(super) fn headers(&self, rows: usize) -> Result<Vec<u8>, LayoutError> {
        let image = &self.image;
        let room = image.size_of_headers as usize;
        let needed = image.table + rows * Row::SIZE;
        let cannot = |reason| Err(LayoutError::Headers { room: room as u64, needed: needed as u64, reason });
        if rows > MAX_SECTIONS {
            return cannot("no more than 96 sections can be loaded");
        }
        let mut headers = self.bytes.get(..room).unwrap_or_default().to_vec();
        let table_end = image.table + image.sections.len() * Row::SIZE;
        let behind = headers.get(table_end..needed.clamp(table_end, room)).unwrap_or_default();
        if behind.iter().any(|&byte| byte != 0) {
            return cannot("something lies right behind the section table");
        }
        if needed > room {
            let grown = needed.next_multiple_of(image.file_alignment as usize);
            let first = image.sections.iter().map(|section| section.virtual_address).min();
            if first.is_some_and(|first| grown > first as usize) {
                return cannot("the first section is loaded right behind them");
            }
            headers.resize(grown, 0);
        }
        Ok(headers)
    }

    /// Copies the sections' data behind the headers in `head`, in the order of the file, up to a page's
    /// end; `.sbat`, where it still has a row, becomes `sbat`.
    pub(super) fn copy_data(
        &self,
        rows: &mut [Row],
        sbat: &[u8],
        head: &mut Vec<u8>,
    ) -> Result<(), LayoutError> {
        let unfit = |value: u32, reason| {
            Err(LayoutError::Unfit { field: "PointerToRawData", value: value.into(), reason })
        };
        let alignment = self.image.file_alignment as usize;
        let mut order: Vec<_> =
            rows.iter_mut().map(|row| &mut row.section).filter(|section| section.raw_size > 0).collect();
        order.sort_by_key(|section| section.raw_offset);
        let (mut moved, mut end) = (false, self.image.size_of_headers);
        for section in &mut order {
            let start = section.raw_offset;
            if start < end {
                return unfit(start, "a section's data lies within the headers or another section");
            }
            end = start.saturating_add(section.raw_size);
            let Some(data) = self.bytes.get(start as usize..end as usize) else {
                return unfit(start, "a section's data goes beyond the end of the file");
            };
            let data = if section.name == ".sbat" { sbat } else { data };
            let raw_size = (section.raw_size as usize).next_multiple_of(alignment);
            moved |= head.len() != start as usize;
            section.raw_offset = head.len() as u32;
            section.raw_size = raw_size as u32;
            head.extend_from_slice(data);
            head.resize(section.raw_offset as usize + raw_size, 0);
        }
        if moved && self.image.directory(self.bytes, DEBUG_DIRECTORY).is_some() {
            return unfit(end, "the data must move, which breaks the offsets in the debug directory");
        }
        head.resize(head.len().next_multiple_of(PAGE as usize), 0);
        if let Some(last) = order.last_mut() {
            last.raw_size = head.len() as u32 - last.raw_offset;
        }
        Ok(())
    }

    /// Adds a row for a new section that lies at `offset` in the file, and in memory behind all others.
    pub(super) fn append(
        &self,
        rows: &mut Vec<Row>,
        offset: u64,
        new: &NewSection<'_>,
    ) -> Result<Placed, LayoutError> {
        let NewSection { name, size } = *new;
        let address = rows.iter().map(|row| row.section.virtual_end()).max().unwrap_or(0);
        let address = address.next_multiple_of(PAGE.max(self.image.section_alignment.into()));
        let padded = to_page(size)?;
        let end = (offset + padded).max(address + padded.max(self.image.section_alignment.into()));
        match (u32::try_from(end), u32::try_from(offset), u32::try_from(address)) {
            (Ok(_), Ok(raw_offset), Ok(virtual_address)) => {
                rows.push(Row::new(name, virtual_address, raw_offset, size as u32, padded as u32));
                Ok(Placed { offset, size, padded })
            }
            _ => Err(LayoutError::TooLarge(end)),
        }
    }

    /// Writes the table and the fields that depend on it.
    pub(super) fn patch_headers(&self, rows: &[Row], head: &mut [u8], size_of_headers: u32) {
        let Image { coff, optional, table, .. } = self.image;
        let memory = rows.iter().map(|row| row.section.virtual_end()).max().unwrap_or(0);
        let memory = memory.next_multiple_of(self.image.section_alignment.into());
        let added: u32 = rows.iter().filter(|row| row.is_new()).map(|row| row.section.raw_size).sum();
        let initialized = u32_at(head, optional + 8).unwrap_or(0).saturating_add(added);
        put(head, optional + 8, &initialized.to_le_bytes());
        put(head, optional + 56, &(memory as u32).to_le_bytes());
        put(head, optional + 60, &size_of_headers.to_le_bytes());
        put(head, optional + 64, &0u32.to_le_bytes());
        put(head, coff + 2, &(rows.len() as u16).to_le_bytes());
        if u32_at(head, coff + 8) != Some(0) {
            put(head, coff + 8, &[0; 8]);
            let characteristics = u16_at(head, coff + 18).unwrap_or(0) | LOCAL_SYMS_STRIPPED;
            put(head, coff + 18, &characteristics.to_le_bytes());
        }
        let mut bytes: Vec<u8> = rows.iter().flat_map(Row::bytes).collect();
        // A row that left the table must not stay behind its end.
        bytes.resize(bytes.len().max(self.image.sections.len() * Row::SIZE), 0);
        put(head, table, &bytes);
    }

    pub(super) fn clear_nx_compat(&self, head: &mut [u8]) {
        let cleared = self.image.dll_characteristics & !Image::NX_COMPAT;
        put(head, self.image.optional + 70, &cleared.to_le_bytes());
    }
}

/// Writes `value` at `offset`, which lies in headers that were checked.
fn put(head: &mut [u8], offset: usize, value: &[u8]) {
    if let Some(place) = head.get_mut(offset..offset + value.len()) {
        place.copy_from_slice(value);
    }
}
