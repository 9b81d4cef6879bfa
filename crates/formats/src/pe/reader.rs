//! The reader of headers and section table.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use super::{Error, MAX_HEADERS, MAX_SECTIONS, MAX_TEXT, bytes_at, u16_at, u32_at};

/// What the file is made for (`Machine` of the COFF header).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Machine {
    /// `IMAGE_FILE_MACHINE_AMD64`.
    X64,
    /// `IMAGE_FILE_MACHINE_ARM64`.
    Arm64,
    /// `IMAGE_FILE_MACHINE_RISCV64`.
    RiscV64,
    /// `IMAGE_FILE_MACHINE_LOONGARCH64`.
    LoongArch64,
    /// Another one, by its number.
    Other(u16),
}

impl Machine {
    fn of(number: u16) -> Self {
        match number {
            0x8664 => Self::X64,
            0xaa64 => Self::Arm64,
            0x5064 => Self::RiscV64,
            0x6264 => Self::LoongArch64,
            other => Self::Other(other),
        }
    }

    /// The name UEFI gives it in file names: the `x64` of `BOOTX64.EFI` and `linuxx64.efi.stub`.
    pub fn efi_name(self) -> Option<&'static str> {
        match self {
            Self::X64 => Some("x64"),
            Self::Arm64 => Some("aa64"),
            Self::RiscV64 => Some("riscv64"),
            Self::LoongArch64 => Some("loongarch64"),
            Self::Other(_) => None,
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self, self.efi_name()) {
            (_, Some(name)) => f.write_str(name),
            (Self::Other(number), None) => write!(f, "machine {number:#06x}"),
            (_, None) => Ok(()),
        }
    }
}

/// One row of the section table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its name, without the NULs that fill it; bytes that are no ASCII are escaped.
    pub name: String,
    /// Where it is loaded, from the image's base.
    pub virtual_address: u32,
    /// `VirtualSize`: in a UKI the exact length of the content.
    pub virtual_size: u32,
    /// `PointerToRawData`: where it lies in the file.
    pub raw_offset: u32,
    /// `SizeOfRawData`: the content, padded.
    pub raw_size: u32,
    /// Flags.
    pub characteristics: u32,
}

impl Section {
    /// The bytes of the file that are its content: as many as are both in the file and loaded.
    pub fn range(&self) -> Range<u64> {
        let start = u64::from(self.raw_offset);
        start..start + self.size()
    }

    /// Length of the content in bytes.
    pub fn size(&self) -> u64 {
        u64::from(self.virtual_size.min(self.raw_size))
    }

    /// Reads the content of a small section whole: at most [`MAX_TEXT`] bytes.
    pub fn read(&self, source: &mut (impl Read + Seek)) -> Result<Vec<u8>, Error> {
        if self.size() > MAX_TEXT {
            return Err(Error::TextSize { name: self.name.clone(), size: self.size() });
        }
        let offset = self.range().start;
        let failed = |source| Error::Read { offset, source };
        source.seek(SeekFrom::Start(offset)).map_err(failed)?;
        let mut content = vec![0; self.size() as usize];
        source.read_exact(&mut content).map_err(failed)?;
        Ok(content)
    }

    fn parse(header: &[u8]) -> Option<Self> {
        let name: [u8; 8] = bytes_at(header, 0)?;
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        Some(Self {
            name: name.escape_ascii().to_string(),
            virtual_size: u32_at(header, 8)?,
            virtual_address: u32_at(header, 12)?,
            raw_size: u32_at(header, 16)?,
            raw_offset: u32_at(header, 20)?,
            characteristics: u32_at(header, 36)?,
        })
    }
}

/// Where the signatures lie in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateTable {
    /// Offset in the file.
    pub offset: u32,
    /// Length in bytes.
    pub size: u32,
}

/// The headers of a PE32+ file. Each section's content is known to lie within the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// What it is made for.
    pub machine: Machine,
    /// `Subsystem`: 10 is an EFI application, the kind that a UKI is.
    pub subsystem: u16,
    /// `DllCharacteristics`.
    pub dll_characteristics: u16,
    /// `SectionAlignment`: unit of virtual addresses.
    pub section_alignment: u32,
    /// `FileAlignment`: unit of offsets and sizes in the file.
    pub file_alignment: u32,
    /// `SizeOfImage`: bytes of memory that it takes.
    pub size_of_image: u32,
    /// `SizeOfHeaders`: bytes of the file before any section's data.
    pub size_of_headers: u32,
    /// Its signatures, when it is signed.
    pub certificates: Option<CertificateTable>,
    /// The sections, in the table's order.
    pub sections: Vec<Section>,
    /// Where the COFF header starts (behind `PE\0\0`).
    pub(super) coff: usize,
    /// Where the optional header starts.
    pub(super) optional: usize,
    /// Where the section table starts.
    pub(super) table: usize,
    /// `NumberOfRvaAndSizes`.
    pub(super) directories: u32,
}

impl Image {
    /// `IMAGE_SUBSYSTEM_EFI_APPLICATION`.
    pub const EFI_APPLICATION: u16 = 10;
    /// `IMAGE_DLLCHARACTERISTICS_NX_COMPAT`: runs where data cannot be executed.
    pub const NX_COMPAT: u16 = 0x100;

    /// Reads the headers of `source`: at most [`MAX_HEADERS`] bytes of it.
    pub fn read(source: &mut (impl Read + Seek)) -> Result<Self, Error> {
        let failed = |offset| move |source| Error::Read { offset, source };
        let length = source.seek(SeekFrom::End(0)).map_err(failed(0))?;
        source.seek(SeekFrom::Start(0)).map_err(failed(0))?;
        let mut head = Vec::new();
        source.take(MAX_HEADERS as u64).read_to_end(&mut head).map_err(failed(0))?;
        Self::parse(&head, length)
    }

    /// Takes the headers apart. `head` is the start of a file of `length` bytes, up to [`MAX_HEADERS`]
    /// bytes of it or all.
    pub fn parse(head: &[u8], length: u64) -> Result<Self, Error> {
        let missing = |what, offset: usize| Error::NotPe { what, offset: offset as u64 };
        if head.get(..2) != Some(b"MZ") {
            return Err(missing("the magic MZ", 0));
        }
        let pe = u32_at(head, 0x3c).ok_or_else(|| missing("e_lfanew", 0x3c))? as usize;
        if bytes_at(head, pe) != Some(*b"PE\0\0") {
            return Err(missing("the signature PE", pe));
        }
        let coff = pe + 4;
        let optional = coff + 20;
        let u16_field = |what, at| u16_at(head, at).ok_or_else(|| missing(what, at));
        let u32_field = |what, at| u32_at(head, at).ok_or_else(|| missing(what, at));
        if u16_field("Magic of the optional header", optional)? != 0x20b {
            return Err(missing("Magic 0x20b (PE32+) of the optional header", optional));
        }
        let count = usize::from(u16_field("NumberOfSections", coff + 2)?);
        if count > MAX_SECTIONS {
            let reason = "no more than 96 can be loaded";
            return Err(Error::Field { field: "NumberOfSections", value: count as u64, reason });
        }
        let optional_size = usize::from(u16_field("SizeOfOptionalHeader", coff + 16)?);
        let directories = u32_field("NumberOfRvaAndSizes", optional + 108)?;
        if (directories as usize) > optional_size.saturating_sub(112) / 8 {
            let reason = "SizeOfOptionalHeader has no room for as many";
            return Err(Error::Field { field: "NumberOfRvaAndSizes", value: directories.into(), reason });
        }
        let table = optional + optional_size;
        let mut image = Self {
            machine: Machine::of(u16_field("Machine", coff)?),
            subsystem: u16_field("Subsystem", optional + 68)?,
            dll_characteristics: u16_field("DllCharacteristics", optional + 70)?,
            section_alignment: u32_field("SectionAlignment", optional + 32)?,
            file_alignment: u32_field("FileAlignment", optional + 36)?,
            size_of_image: u32_field("SizeOfImage", optional + 56)?,
            size_of_headers: u32_field("SizeOfHeaders", optional + 60)?,
            certificates: None,
            sections: Vec::with_capacity(count),
            coff,
            optional,
            table,
            directories,
        };
        if let Some((offset, size)) = image.directory(head, 4) {
            image.certificates = Some(CertificateTable { offset, size });
        }
        for index in 0..count {
            let at = table + index * 40;
            let header = head.get(at..).and_then(Section::parse);
            let section = header.ok_or_else(|| missing("a row of the section table", at))?;
            let Range { start, end } = section.range();
            if start < end && end > length {
                return Err(Error::Truncated { name: section.name, start, end, length });
            }
            image.sections.push(section);
        }
        Ok(image)
    }

    /// Address and size of a data directory, unless it is absent or empty.
    pub(super) fn directory(&self, head: &[u8], number: u32) -> Option<(u32, u32)> {
        if number >= self.directories {
            return None;
        }
        let at = self.optional + 112 + 8 * number as usize;
        let (address, size) = (u32_at(head, at)?, u32_at(head, at + 4)?);
        (address != 0 || size != 0).then_some((address, size))
    }

    /// The first section of that name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// Whether the file asks for memory where data cannot be executed.
    pub fn nx_compat(&self) -> bool {
        self.dll_characteristics & Self::NX_COMPAT != 0
    }
}
