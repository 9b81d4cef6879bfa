//! The reader.

use super::super::error::Result;
use super::super::field::read_up_to;
use super::super::layout::{Layout, Packed, Place, Run, Unpacked, reads_by_layout};
use super::super::{Disk, Error, Format, Reference, Role, SECTOR, Shared};
use super::descriptor::{Descriptor, ExtentType, MAX_DESCRIPTOR};
use super::header::{Header, broken};
use super::sparse::Sparse;

/// A VMDK.
pub struct Vmdk {
    /// What the descriptor says; a part of a split disk that is opened alone has none.
    pub descriptor: Descriptor,
    /// What the header says, when the file is a sparse extent.
    pub header: Option<Header>,
    extents: Vec<Extent>,
    parent: Option<Shared>,
    unpacked: Unpacked,
}

/// A part of the disk.
struct Extent {
    start: u64,
    size: u64,
    content: Content,
}

enum Content {
    Zero,
    Flat {
        bytes: Shared,
        offset: u64,
    },
    Sparse(Sparse),
    /// In a file that was not attached yet.
    Away(String),
}

impl Vmdk {
    /// Reads header and descriptor. No other file is attached.
    ///
    /// # Errors
    /// When they are damaged, or of a kind that is not read.
    pub fn parse(bytes: Shared) -> Result<Self> {
        let head = read_up_to(&bytes, 0, 4)?;
        if head == b"KDMV" || head == b"COWD" { Self::sparse(bytes) } else { Self::text(&bytes) }
    }

    fn sparse(bytes: Shared) -> Result<Self> {
        let sparse = Sparse::parse(bytes.clone(), 0)?;
        let header = sparse.header.clone();
        let descriptor = match header.descriptor_offset {
            0 => Descriptor::default(),
            sector => {
                let length = header.descriptor_size.saturating_mul(SECTOR);
                read_descriptor(&bytes, sector.saturating_mul(SECTOR), length)?
            }
        };
        let size = header.capacity * SECTOR;
        let extents = vec![Extent { start: 0, size, content: Content::Sparse(sparse) }];
        Ok(Self { descriptor, header: Some(header), extents, parent: None, unpacked: Unpacked::default() })
    }

    fn text(bytes: &Shared) -> Result<Self> {
        let descriptor = read_descriptor(bytes, 0, bytes.size())?;
        let mut extents = Vec::new();
        let mut start = 0u64;
        for line in &descriptor.extents {
            let end = line.sectors.checked_mul(SECTOR).and_then(|size| start.checked_add(size));
            let end = end.filter(|&end| end <= u64::MAX / 2);
            let end = end.ok_or_else(|| broken(0, "the extents are longer than there can be".to_owned()))?;
            let content = line.file.clone().map_or(Content::Zero, Content::Away);
            extents.push(Extent { start, size: end - start, content });
            start = end;
        }
        if extents.is_empty() {
            return Err(broken(0, "the descriptor tells of no extent".to_owned()));
        }
        Ok(Self { descriptor, header: None, extents, parent: None, unpacked: Unpacked::default() })
    }

    /// The extents in other files, then the parent.
    pub fn references(&self) -> Vec<Reference> {
        let lines = self.descriptor.extents.iter().filter(|_| self.header.is_none());
        let parts = lines.filter_map(|line| line.file.clone()).map(|name| Reference {
            role: Role::Part,
            names: vec![name],
            format: None,
        });
        let parent = self.descriptor.parent.clone().filter(|_| self.descriptor.parent_cid.is_some());
        let parent = parent.map(|name| Reference {
            role: Role::Parent,
            names: vec![name],
            format: Some(Format::Vmdk),
        });
        parts.chain(parent).collect()
    }

    /// Gives it the file number `index` of its [`references`](Self::references).
    ///
    /// # Errors
    /// When an extent is damaged or shorter than the descriptor says, or the parent was written to since.
    pub fn attach(&mut self, index: usize, other: Disk) -> Result<()> {
        let lines = self.descriptor.extents.iter().enumerate();
        let mut in_files = lines.filter(|(_, line)| self.header.is_none() && line.file.is_some());
        let Some((number, line)) = in_files.nth(index) else { return self.attach_parent(other) };
        let bytes = Shared::from(other);
        let content = match line.kind {
            ExtentType::Flat { offset } => Content::Flat { bytes, offset },
            _ => Content::Sparse(Sparse::parse(bytes, number)?),
        };
        if let Some(extent) = self.extents.get_mut(number) {
            let there = match &content {
                Content::Sparse(sparse) => sparse.header.capacity * SECTOR,
                Content::Flat { bytes, offset } => bytes.size().saturating_sub(*offset),
                _ => 0,
            };
            if there < extent.size {
                let what = format!("it holds {there} bytes of the {} that the descriptor says", extent.size);
                let name = line.file.clone().unwrap_or_default();
                return Err(Error::Missing { format: Format::Vmdk, name, what });
            }
            extent.content = content;
        }
        Ok(())
    }

    fn attach_parent(&mut self, other: Disk) -> Result<()> {
        if let Disk::Vmdk(parent) = &other
            && parent.descriptor.cid != self.descriptor.parent_cid
        {
            let cid = |cid: Option<u32>| cid.map_or("none".to_owned(), |cid| format!("{cid:08x}"));
            let (is, was) = (cid(parent.descriptor.cid), cid(self.descriptor.parent_cid));
            return Err(
                self.missing(format!("the disk there is another, or was written to: CID {is}, not {was}"))
            );
        }
        self.parent = Some(other.into());
        Ok(())
    }

    fn missing(&self, what: String) -> Error {
        let name = self.descriptor.parent.clone().unwrap_or_default();
        Error::Missing { format: Format::Vmdk, name, what }
    }

    fn extent_at(&self, offset: u64) -> Result<&Extent> {
        let behind = self.extents.partition_point(|extent| extent.start + extent.size <= offset);
        self.extents.get(behind).ok_or_else(|| broken(0, format!("no extent has byte {offset} of the disk")))
    }
}

fn read_descriptor(bytes: &Shared, at: u64, length: u64) -> Result<Descriptor> {
    if length > MAX_DESCRIPTOR {
        return Err(broken(at, format!("a descriptor of {length} bytes is longer than {MAX_DESCRIPTOR}")));
    }
    // No more than MAX_DESCRIPTOR.
    let text = read_up_to(bytes, at, length as usize)?;
    if (text.len() as u64) < length {
        return Err(broken(at, "the file ends in the descriptor".to_owned()));
    }
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    Descriptor::parse(&String::from_utf8_lossy(text), at)
}

impl Layout for Vmdk {
    fn format(&self) -> Format {
        Format::Vmdk
    }

    fn size(&self) -> u64 {
        self.extents.last().map_or(0, |extent| extent.start + extent.size)
    }

    fn locate(&self, offset: u64) -> Result<Run> {
        let extent = self.extent_at(offset)?;
        let within = offset - extent.start;
        let rest = extent.size - within;
        match &extent.content {
            Content::Zero => Ok(Run { length: rest, place: Place::Zero }),
            Content::Flat { offset: first, .. } => {
                let index = self.extents.partition_point(|extent| extent.start + extent.size <= offset);
                Ok(Run { length: rest, place: Place::File { index, offset: first.saturating_add(within) } })
            }
            Content::Sparse(sparse) => {
                let run = sparse.locate(within)?;
                Ok(Run { length: run.length.min(rest), ..run })
            }
            Content::Away(name) => {
                let what = "it was not opened".to_owned();
                Err(Error::Missing { format: Format::Vmdk, name: name.clone(), what })
            }
        }
    }

    fn file(&self, index: usize) -> Result<&Shared> {
        match self.extents.get(index).map(|extent| &extent.content) {
            Some(Content::Flat { bytes, .. }) => Ok(bytes),
            Some(Content::Sparse(sparse)) => Ok(sparse.pages.file()),
            _ => Err(broken(0, format!("extent {index} has no file"))),
        }
    }

    fn parent(&self) -> Result<Option<&Shared>> {
        match (&self.parent, self.descriptor.parent_cid) {
            (None, Some(_)) => Err(self.missing("it was not opened".to_owned())),
            (parent, _) => Ok(parent.as_ref()),
        }
    }

    fn unpack(&self, unit: &Packed) -> Result<Vec<u8>> {
        match self.extents.get(unit.file).map(|extent| &extent.content) {
            Some(Content::Sparse(sparse)) => sparse.unpack(unit.offset),
            _ => Err(broken(unit.offset, format!("extent {} is not compressed", unit.file))),
        }
    }

    fn unpacked(&self) -> Option<&Unpacked> {
        Some(&self.unpacked)
    }
}

reads_by_layout!(Vmdk);
