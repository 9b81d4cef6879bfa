//! Disks of virtual machines, read by [`bootwright_formats::disk`].
//!
//! A parent or part is opened only where it lies beside the image, whatever path the image has for it.

use std::io;
use std::sync::Arc;

use bootwright_formats::ReadAt as _;
use bootwright_formats::disk::{self, Disk, Error, Format, Role, Source as Opened};

use crate::bytes::printable;
use crate::files::Files;
use crate::node::{Node, Severity};
use crate::recognise::{Found, Inner, Look};
use crate::source::Source;

pub(crate) fn recognise(source: &Source, look: &Look<'_>) -> io::Result<Option<Found>> {
    let format = Format::detect(source)?;
    if format == Format::Raw {
        return Ok(None);
    }
    let mut node = Node::new(format.name(), format!("{} disk image", title(format)), source.size());
    let disk = match Disk::parse(Arc::clone(source), format) {
        Ok(disk) => disk,
        Err(Error::Io(error)) => return Err(error),
        Err(error) => return Ok(Some(refused(node, &error).into())),
    };
    tell(&mut node, &disk);
    let references = disk.references();
    if references.is_empty() {
        return Ok(Some(Found { node, inner: Inner::Whole(disk.into()) }));
    }
    for reference in &references {
        let names =
            reference.names.iter().map(|name| printable(name.as_bytes())).collect::<Vec<_>>().join(", ");
        let role = if reference.role == Role::Parent { "parent" } else { "part" };
        node.text(role, names);
    }
    let beside = Beside(look.beside);
    match disk::open_as(
        Opened { name: look.path.to_owned(), bytes: Arc::clone(source) },
        Some(format),
        &beside,
    ) {
        Ok(disk) => Ok(Some(Found { node, inner: Inner::Whole(disk.into()) })),
        Err(Error::Io(error)) => Err(error),
        Err(error) => Ok(Some(refused(node, &error).into())),
    }
}

fn title(format: Format) -> &'static str {
    match format {
        Format::Raw => "raw",
        Format::Qcow2 => "qcow2",
        Format::Vmdk => "VMDK",
        Format::Vhd => "VHD",
        Format::Vhdx => "VHDX",
        Format::Vdi => "VDI",
    }
}

fn refused(mut node: Node, error: &Error) -> Node {
    let cause = std::error::Error::source(error);
    let what = cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
    let (offset, severity, remedy) = match error {
        Error::Broken { offset, .. } => {
            (Some(*offset), Severity::Error, "copy it again, or repair it with qemu-img check -r")
        }
        Error::Unsupported { .. } => (None, Severity::Warning, "convert it with the program that made it"),
        Error::Missing { .. } | Error::Open { .. } => {
            (None, Severity::Error, "put the file beside it under that name")
        }
        _ => (None, Severity::Error, "join the images into one"),
    };
    node.problem(severity, offset, what, remedy);
    node
}

/// What each format says of the disk in it.
fn tell(node: &mut Node, disk: &Disk) {
    match disk {
        Disk::Raw(_) => {}
        Disk::Qcow2(disk) => qcow2(node, disk),
        Disk::Vmdk(disk) => {
            node.bytes("disk size", disk.size()).text("type", &disk.descriptor.create_type);
            if let Some(header) = &disk.header {
                node.flag("compressed", header.compressed);
            }
            let geometry =
                ["cylinders", "heads", "sectors"].map(|name| field(&disk.descriptor.ddb, "geometry", name));
            node.text("geometry", geometry.iter().flatten().copied().collect::<Vec<_>>().join("/"));
            let adapter = disk.descriptor.ddb.iter().find(|(name, _)| name.ends_with("adapterType"));
            node.text(
                "adapter",
                adapter.map(|(_, adapter)| printable(adapter.as_bytes())).unwrap_or_default(),
            );
        }
        Disk::Vhd(disk) => {
            let geometry = disk.footer.geometry;
            node.bytes("disk size", disk.size())
                .text("type", format!("{:?}", disk.footer.disk_type).to_lowercase());
            let geometry = format!("{}/{}/{}", geometry.cylinders, geometry.heads, geometry.sectors);
            node.text("geometry", geometry).text("made by", printable(&disk.footer.creator));
            node.text("uuid", disk.footer.uuid.to_string());
        }
        Disk::Vhdx(disk) => {
            node.bytes("disk size", disk.size()).bytes("block size", disk.metadata.block_size);
            node.bytes("sector size", disk.metadata.logical_sector_size)
                .text("uuid", disk.metadata.disk_id.to_string());
            if disk.replayed {
                let what = "it was not closed: its log had to be replayed";
                node.problem(
                    Severity::Note,
                    disk.header.log_offset,
                    what,
                    "attach it once where it was made",
                );
            }
        }
        Disk::Vdi(disk) => {
            let header = &disk.header;
            node.bytes("disk size", disk.size())
                .text("type", format!("{:?}", header.image_type).to_lowercase());
            node.bytes("block size", header.block_size).text("uuid", header.uuid.to_string());
        }
    }
}

fn field<'a>(ddb: &'a [(String, String)], group: &str, name: &str) -> Option<&'a str> {
    let key = format!("{group}.{name}");
    ddb.iter().find(|(found, _)| found.ends_with(&key)).map(|(_, value)| value.as_str())
}

fn qcow2(node: &mut Node, disk: &disk::qcow2::Qcow2) {
    let header = &disk.header;
    node.bytes("disk size", disk.size()).number("version", header.version);
    node.bytes("cluster size", 1_u64.checked_shl(header.cluster_bits).unwrap_or(0));
    node.text("compression", format!("{:?}", header.compression).to_lowercase());
    let snapshot =
        |snapshot: &disk::qcow2::Snapshot| printable(format!("{}:{}", snapshot.id, snapshot.name).as_bytes());
    node.list("snapshots", disk.snapshots.iter().map(snapshot).collect());
    if header.encryption != disk::qcow2::Encryption::None {
        node.text("encryption", format!("{:?}", header.encryption).to_lowercase())
            .needs("the key of the disk image");
    }
    if header.incompatible.dirty() {
        let what = "it was not closed: its refcounts may be wrong";
        node.problem(Severity::Warning, 72, what, "run qemu-img check -r leaks on it");
    }
    if header.incompatible.corrupt() {
        let what = "QEMU has marked it as damaged and does not write to it";
        node.problem(Severity::Error, 72, what, "run qemu-img check -r all on it");
    }
}

/// The files beside the image, by the last part of their names.
struct Beside<'a>(Option<&'a dyn Files>);

impl disk::Files for Beside<'_> {
    fn open(&self, _: &str, name: &str) -> io::Result<Opened> {
        let plain = name.rsplit(['/', '\\']).next().unwrap_or_default();
        let found = self.0.map(|files| files.open(plain)).transpose()?.flatten();
        let missing = || io::Error::new(io::ErrorKind::NotFound, "there is no such file beside it");
        found.map(|bytes| Opened { name: plain.to_owned(), bytes }).ok_or_else(missing)
    }
}
