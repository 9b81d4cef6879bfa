//! The reader.

use super::super::error::Result;
use super::super::field::read_up_to;
use super::super::layout::{Layout, Packed, Run, Unpacked, reads_by_layout};
use super::super::pages::Pages;
use super::super::{Disk, Error, Format, Reference, Role, Shared};
use super::header::{CompressionType, Encryption, Header, broken};
use super::map::{self, L1};
use super::snapshot::{self, Snapshot};

/// A qcow2 disk, or one of its snapshots.
pub struct Qcow2 {
    /// What the header says.
    pub header: Header,
    /// The states that were kept, in the table's order.
    pub snapshots: Vec<Snapshot>,
    size: u64,
    l1: L1,
    pages: Pages,
    parent: Option<Shared>,
    data_file: Option<Shared>,
    unpacked: Unpacked,
}

impl Qcow2 {
    /// Reads header, extensions and snapshot table. No other file is attached.
    ///
    /// # Errors
    /// When they are damaged, or need a feature that is not known.
    pub fn parse(bytes: Shared) -> Result<Self> {
        let header = Header::read(&bytes)?;
        Ok(Self {
            snapshots: snapshot::read(&bytes, &header)?,
            size: header.size,
            l1: L1 { offset: header.l1_table_offset, entries: header.l1_size },
            pages: Pages::new(Format::Qcow2, bytes),
            parent: None,
            data_file: None,
            unpacked: Unpacked::default(),
            header,
        })
    }

    /// Shows the disk as it was at the snapshot of that name or number.
    ///
    /// # Errors
    /// When there is none.
    pub fn into_snapshot(mut self, name: &str) -> Result<Self> {
        let by_name = self.snapshots.iter().find(|snapshot| snapshot.name == name);
        let snapshot = by_name.or_else(|| self.snapshots.iter().find(|snapshot| snapshot.id == name));
        let Some(snapshot) = snapshot else {
            let names: Vec<&str> = self.snapshots.iter().map(|snapshot| snapshot.name.as_str()).collect();
            let what = format!("there is no snapshot {name:?}, but these: {}", names.join(", "));
            return Err(Error::Unsupported { format: Format::Qcow2, what });
        };
        if snapshot.size.div_ceil(self.header.mapped_by_l2()) > u64::from(snapshot.l1_size) {
            let what = format!("its L1 table of {} entries cannot map {}", snapshot.l1_size, snapshot.size);
            return Err(broken(snapshot.l1_table_offset, what));
        }
        self.size = snapshot.size;
        self.l1 = L1 { offset: snapshot.l1_table_offset, entries: snapshot.l1_size };
        Ok(self)
    }

    /// The backing file, then the external data file, as far as there are such.
    pub fn references(&self) -> Vec<Reference> {
        let parent = self.header.backing_file.as_ref().map(|name| Reference {
            role: Role::Parent,
            names: vec![name.clone()],
            format: self.header.backing_format.as_deref().and_then(|name| name.parse().ok()),
        });
        let data = self.header.incompatible.external_data().then(|| Reference {
            role: Role::Part,
            names: self.header.data_file.iter().cloned().collect(),
            format: Some(Format::Raw),
        });
        parent.into_iter().chain(data).collect()
    }

    /// Gives it the file number `index` of its [`references`](Self::references).
    ///
    /// # Errors
    /// None: qcow2 does not say which file it was made with.
    pub fn attach(&mut self, index: usize, other: Disk) -> Result<()> {
        match self.references().get(index).map(|reference| reference.role) {
            Some(Role::Parent) => self.parent = Some(other.into()),
            _ => self.data_file = Some(other.into()),
        }
        Ok(())
    }

    fn missing(&self, name: Option<&String>) -> Error {
        let name = name.cloned().unwrap_or_default();
        Error::Missing { format: Format::Qcow2, name, what: "it was not opened".to_owned() }
    }
}

impl Layout for Qcow2 {
    fn format(&self) -> Format {
        Format::Qcow2
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn locate(&self, offset: u64) -> Result<Run> {
        let method = match self.header.encryption {
            Encryption::None => return map::locate(&self.header, &self.pages, self.l1, offset),
            Encryption::Aes => "AES",
            Encryption::Luks => "LUKS",
        };
        let what = format!("the disk is encrypted ({method}): decrypt it with qemu-img convert first");
        Err(Error::Unsupported { format: Format::Qcow2, what })
    }

    fn file(&self, _: usize) -> Result<&Shared> {
        match self.header.incompatible.external_data() {
            true => self.data_file.as_ref().ok_or_else(|| self.missing(self.header.data_file.as_ref())),
            false => Ok(self.pages.file()),
        }
    }

    fn parent(&self) -> Result<Option<&Shared>> {
        match (&self.parent, &self.header.backing_file) {
            (None, Some(name)) => Err(self.missing(Some(name))),
            (parent, _) => Ok(parent.as_ref()),
        }
    }

    fn unpack(&self, unit: &Packed) -> Result<Vec<u8>> {
        // The number of sectors is rounded up: the last cluster of a file may end before.
        let packed = read_up_to(self.pages.file(), unit.offset, unit.length)?;
        // At most 2 MiB, see CLUSTER_BITS.
        let mut cluster = vec![0; self.header.cluster_size() as usize];
        let whole = match self.header.compression {
            CompressionType::Zlib => inflate(&packed, &mut cluster),
            CompressionType::Zstd => unpack_frame(&packed, &mut cluster),
        };
        if whole != Ok(cluster.len()) {
            let why = whole.map_or_else(|why| why, |count| format!("it holds only {count} bytes"));
            return Err(broken(unit.offset, format!("a compressed cluster is broken: {why}")));
        }
        Ok(cluster)
    }

    fn unpacked(&self) -> Option<&Unpacked> {
        Some(&self.unpacked)
    }
}

reads_by_layout!(Qcow2);

fn inflate(packed: &[u8], into: &mut [u8]) -> std::result::Result<usize, String> {
    let mut stream = flate2::Decompress::new(false);
    stream.decompress(packed, into, flate2::FlushDecompress::Finish).map_err(|error| error.to_string())?;
    // No more than the buffer's length.
    Ok(stream.total_out() as usize)
}

/// The frame is followed by what fills the last sector.
fn unpack_frame(packed: &[u8], into: &mut [u8]) -> std::result::Result<usize, String> {
    let error = |code| zstd::zstd_safe::get_error_name(code).to_owned();
    let length = zstd::zstd_safe::find_frame_compressed_size(packed).map_err(error)?;
    let frame = packed.get(..length).unwrap_or_default();
    zstd::bulk::decompress_to_buffer(frame, into).map_err(|error| error.to_string())
}
