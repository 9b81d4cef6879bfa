//! The descriptor: a text of `key=value` lines, with a line for each extent.
//!
//! ```text
//!   # Disk DescriptorFile
//!   CID=fffffffe
//!   parentCID=ffffffff
//!   createType="twoGbMaxExtentFlat"
//!   RW 4192256 FLAT "disk-f001.vmdk" 0
//!   ddb.adapterType = "lsilogic"
//! ```

use super::super::error::Result;
use super::super::{Error, Format};

/// VMware's are some hundred bytes; a split disk has a line of 40 bytes for each 2 GB.
pub(super) const MAX_DESCRIPTOR: u64 = 1 << 20;

/// Each is an open file: 8 TiB in pieces of 2 GB.
const MAX_EXTENTS: usize = 4096;

/// What an extent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtentType {
    /// Shared as they are, from that offset of the file on.
    Flat {
        /// In bytes.
        offset: u64,
    },
    /// A sparse extent.
    Sparse,
    /// Zeros.
    Zero,
}

/// A line that tells of an extent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtentLine {
    /// How many sectors it has.
    pub sectors: u64,
    /// What it is.
    pub kind: ExtentType,
    /// Its file as the descriptor names it; none for zeros.
    pub file: Option<String>,
}

/// What the descriptor says.
#[derive(Debug, Clone, Default)]
pub struct Descriptor {
    /// The disk's state: it changes when the disk is written to.
    pub cid: Option<u32>,
    /// The CID that the parent had; none for a disk without.
    pub parent_cid: Option<u32>,
    /// `monolithicSparse` and so on.
    pub create_type: String,
    /// The parent as this disk names it.
    pub parent: Option<String>,
    /// The extents, in the disk's order.
    pub extents: Vec<ExtentLine>,
    /// All `ddb.` lines: adapter, geometry, UUID, hardware version.
    pub ddb: Vec<(String, String)>,
}

impl Descriptor {
    /// Reads a descriptor that lies at `at` in its file.
    ///
    /// # Errors
    /// When a line is damaged, or tells of an extent that is not read.
    pub fn parse(text: &str, at: u64) -> Result<Self> {
        let mut descriptor = Self::default();
        let mut position = at;
        for line in text.split('\n') {
            descriptor.take(line.trim(), position)?;
            position = position.saturating_add(line.len() as u64 + 1);
        }
        if descriptor.extents.len() > MAX_EXTENTS {
            let what = format!("{} extents are more than {MAX_EXTENTS}", descriptor.extents.len());
            return Err(Error::Broken { format: Format::Vmdk, offset: at, what });
        }
        Ok(descriptor)
    }

    fn take(&mut self, line: &str, at: u64) -> Result<()> {
        let broken = |what: String| Error::Broken { format: Format::Vmdk, offset: at, what };
        if line.starts_with('#') || line.is_empty() {
            return Ok(());
        }
        if ["RW ", "RDONLY ", "NOACCESS "].iter().any(|access| line.starts_with(access)) {
            self.extents.push(extent(line).map_err(|what| match what {
                Fault::Unsupported(what) => Error::Unsupported { format: Format::Vmdk, what },
                Fault::Broken => broken(format!("{line:?} is no extent")),
            })?);
            return Ok(());
        }
        let Some((key, value)) = line.split_once('=') else { return Ok(()) };
        let (key, value) = (key.trim(), value.trim().trim_matches('"'));
        let number = || u32::from_str_radix(value, 16).map_err(|_| broken(format!("{line:?} is no CID")));
        match key.to_ascii_lowercase().as_str() {
            "cid" => self.cid = Some(number()?),
            "parentcid" => self.parent_cid = Some(number()?).filter(|&cid| cid != u32::MAX),
            "createtype" => value.clone_into(&mut self.create_type),
            "parentfilenamehint" => self.parent = Some(value.to_owned()),
            lower if lower.starts_with("ddb.") => self.ddb.push((key.to_owned(), value.to_owned())),
            _ => {}
        }
        Ok(())
    }
}

enum Fault {
    Broken,
    Unsupported(String),
}

/// `RW 4192256 FLAT "name of file" 0`
fn extent(line: &str) -> std::result::Result<ExtentLine, Fault> {
    let mut quoted = line.splitn(3, '"');
    let mut words = quoted.next().unwrap_or_default().split_whitespace().skip(1);
    let file = quoted.next().map(str::to_owned);
    let rest = quoted.next().unwrap_or_default().trim();
    let sectors = words.next().and_then(|word| word.parse().ok()).ok_or(Fault::Broken)?;
    let kind = match words.next().ok_or(Fault::Broken)? {
        "ZERO" => return Ok(ExtentLine { sectors, kind: ExtentType::Zero, file: None }),
        "FLAT" | "VMFS" => {
            let first = rest.split_whitespace().next().unwrap_or("0");
            let offset = first.parse::<u64>().ok().and_then(|sector| sector.checked_mul(512));
            ExtentType::Flat { offset: offset.ok_or(Fault::Broken)? }
        }
        "SPARSE" => ExtentType::Sparse,
        other => {
            let what = format!("extents of type {other} are not read, only FLAT, VMFS, SPARSE and ZERO");
            return Err(Fault::Unsupported(what));
        }
    };
    let file = Some(file.ok_or(Fault::Broken)?);
    Ok(ExtentLine { sectors, kind, file })
}
