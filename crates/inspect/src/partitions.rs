//! Disks with partitions: GPT and MBR, read by [`bootwright_formats::gpt`] and [`bootwright_formats::mbr`].

use std::io;

use bootwright_formats::gpt::{Attributes, Gpt, GptError, Side};
use bootwright_formats::mbr::{self, Mbr, MbrError, Scheme};

use crate::bytes::{printable, read};
use crate::node::{Firmware, Node, Severity};
use crate::recognise::{Found, Inner, Look, Part};
use crate::source::Source;

const REPAIR: &str = "repair it with sgdisk -e, or write it again";

/// A disk with a GPT.
pub(crate) fn gpt(source: &Source, _: &Look<'_>) -> io::Result<Option<Found>> {
    // What ends within the first table is none; most bytes are no disk and say so in their first blocks.
    let starts = read(source, 512, 8)?.has(0, b"EFI PART") || read(source, 4096, 8)?.has(0, b"EFI PART");
    let protective = read(source, 446, 66)?;
    let protective =
        protective.has(64, &[0x55, 0xaa]) && (0..4).any(|n| protective.u8(n * 16 + 4) == Some(0xee));
    if !starts && !protective {
        return Ok(None);
    }
    let gpt = match Gpt::read(source) {
        Ok(gpt) => gpt,
        Err(GptError::Read { source, .. }) => return Err(source),
        Err(error) => {
            let mut node = Node::new("gpt", "disk with a broken GPT", source.size());
            node.problem(Severity::Error, 512, error.to_string(), "write the table again, or restore it");
            return Ok(Some(node.into()));
        }
    };
    let mut node = Node::new("gpt", "disk with a GPT", source.size());
    node.text("disk guid", gpt.disk_guid.to_string()).bytes("sector size", gpt.sector.bytes());
    for damage in &gpt.damage {
        let (severity, side) = match damage.side {
            Side::Primary => (Severity::Error, "primary"),
            Side::Backup => (Severity::Warning, "backup"),
        };
        node.problem(severity, damage.offset, format!("{side} GPT: {}", damage.problem), REPAIR);
    }
    record(&mut node, source, gpt.sector.bytes())?;
    let parts = gpt.partitions.iter().map(|partition| {
        let size = partition.range.end.saturating_sub(partition.range.start);
        let mut inner = Node::new("partition", partition.kind_name(), size);
        inner.text("type", partition.kind_name()).text("name", printable(partition.name.as_bytes()));
        inner.text("partition uuid", partition.guid.to_string());
        inner.list("attributes", attributes(partition.attributes));
        Part::window(source, partition.number.to_string(), partition.range.start, inner)
    });
    Ok(Some(Found { inner: Inner::Parts(parts.collect()), node }))
}

/// The record in front of a GPT: protective as a rule.
fn record(node: &mut Node, source: &Source, sector: u64) -> io::Result<()> {
    match Mbr::read(source, sector) {
        Ok(mbr) => {
            let scheme = match mbr.scheme {
                Scheme::Plain => "plain",
                Scheme::Protective => "protective",
                Scheme::Hybrid => "hybrid",
            };
            node.text("MBR", scheme);
            if mbr.scheme == Scheme::Plain {
                let what = "the MBR does not protect the GPT: old programs see a disk without it";
                node.problem(Severity::Warning, 446, what, REPAIR);
            }
            if mbr.boot_code {
                node.boots(Firmware::Bios, Some("x86"), "the code in its MBR");
            }
        }
        Err(MbrError::Read { source, .. }) => return Err(source),
        Err(MbrError::Absent(why)) => {
            let what = format!("no MBR in front of the GPT ({why}): some firmware wants one");
            node.problem(Severity::Warning, 446, what, REPAIR);
        }
    }
    Ok(())
}

fn attributes(bits: Attributes) -> Vec<String> {
    let names = [
        (Attributes::REQUIRED, "required"),
        (Attributes::LEGACY_BOOT, "legacy-boot"),
        (Attributes::GROW, "grow"),
        (Attributes::READ_ONLY, "read-only"),
        (Attributes::NO_AUTO, "no-auto"),
    ];
    names.into_iter().filter(|(bit, _)| bits.has(*bit)).map(|(_, name)| name.to_owned()).collect()
}

/// A disk with an MBR alone.
pub(crate) fn mbr(source: &Source, _: &Look<'_>) -> io::Result<Option<Found>> {
    let mbr = match Mbr::read(source, 512) {
        Ok(mbr) => mbr,
        Err(MbrError::Absent(_)) => return Ok(None),
        Err(MbrError::Read { source, .. }) => return Err(source),
    };
    let mut node = Node::new("mbr", "disk with an MBR", source.size());
    node.text("disk signature", format!("{:08x}", mbr.signature));
    for damage in &mbr.damage {
        node.problem(Severity::Error, None, damage, "write the table again, or copy the disk again, whole");
    }
    if mbr.boot_code {
        node.boots(Firmware::Bios, Some("x86"), "the code in its MBR");
        if !mbr.partitions.iter().any(|partition| partition.active) {
            let what = "no partition is active: some BIOSes pass the disk by";
            node.problem(Severity::Note, 446, what, "make one active");
        }
    }
    let parts = mbr.partitions.iter().map(|partition| {
        let name = mbr::types::name(partition.kind)
            .map_or_else(|| format!("type {:02x}", partition.kind), str::to_owned);
        let size = partition.range.end.saturating_sub(partition.range.start);
        let mut inner = Node::new("partition", &name, size);
        inner.text("type", name).flag("active", partition.active);
        inner.text("partition uuid", format!("{:08x}-{:02x}", mbr.signature, partition.number));
        Part::window(source, partition.number.to_string(), partition.range.start, inner)
    });
    Ok(Some(Found { inner: Inner::Parts(parts.collect()), node }))
}
