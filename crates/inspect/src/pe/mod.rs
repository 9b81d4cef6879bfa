//! PE files: UKIs, boot loaders, kernels with an EFI stub. Read by [`bootwright_formats::pe`].

mod faults;
mod signature;
mod uki;

use std::io;

use bootwright_formats::pe::{self, Image, MAX_HEADERS, Machine};

use crate::bytes::{Bytes, printable, read};
use crate::kernel;
use crate::node::{Firmware, Node, Severity};
use crate::recognise::{Found, Inner, Look, Part};
use crate::source::{Source, Stream};

pub(crate) fn recognise(source: &Source, look: &Look<'_>) -> io::Result<Option<Found>> {
    let head = read(source, 0, 4096)?;
    if !head.has(0, b"MZ") {
        return Ok(None);
    }
    let kernel = kernel::describe(source, look)?;
    let image = match image(source, &head)? {
        Ok(image) => image,
        Err(error) => {
            return match kernel {
                Some(kernel) => Ok(Some(found(kernel, kernel::parts(source)?))),
                None => Ok(Some(no_image(source, &head, &error).into())),
            };
        }
    };
    let mut node = match &kernel {
        Some(kernel) => kernel.clone(),
        None => program(source, &image),
    };
    let architecture = architecture(image.machine);
    if node.facts.get("architecture").is_none() {
        node.text("architecture", architecture.unwrap_or("unknown"));
    }
    faults::look(&mut node, &image);
    let signatures = signature::look(&mut node, source, &head, &image, look)?;
    let mut parts = if image.section(".linux").is_some() {
        uki::look(&mut node, source, &image, architecture)?
    } else if kernel.is_none() {
        sections(&mut node, source, &image)?
    } else {
        kernel::parts(source)?
    };
    parts.extend(signatures);
    if image.subsystem == Image::EFI_APPLICATION {
        node.boots(Firmware::Uefi, architecture, "the file itself");
    }
    Ok(Some(found(node, parts)))
}

fn found(node: Node, parts: Vec<Part>) -> Found {
    let inner = if parts.is_empty() { Inner::Nothing } else { Inner::Parts(parts) };
    Found { node, inner }
}

/// The headers of a real file fit into a page; only if not, all that may be headers is read.
fn image(source: &Source, head: &Bytes) -> io::Result<Result<Image, pe::Error>> {
    match Image::parse(&head.0, source.size()) {
        Err(pe::Error::NotPe { .. }) if source.size() > head.0.len() as u64 => {
            let head = read(source, 0, MAX_HEADERS)?;
            Ok(Image::parse(&head.0, source.size()))
        }
        result => Ok(result),
    }
}

/// A file with `MZ` that is no PE32+: a 32-bit program is told apart from a broken one.
fn no_image(source: &Source, head: &Bytes, error: &pe::Error) -> Node {
    let start = head.le32(0x3c).unwrap_or(0) as usize;
    let pe = start.checked_add(24).filter(|_| head.has(start, b"PE\0\0"));
    if let Some(optional) = pe.filter(|&optional| head.le16(optional) == Some(0x10b)) {
        let mut node = Node::new("pe32", "32-bit program (PE32)", source.size());
        let architecture = match head.le16(start + 4) {
            Some(0x14c) => "i386",
            Some(0x1c0 | 0x1c2 | 0x1c4) => "arm",
            _ => "unknown",
        };
        node.text("architecture", architecture);
        if head.le16(optional + 68) == Some(Image::EFI_APPLICATION) {
            node.what = "32-bit EFI program (PE32)".to_owned();
            node.boots(Firmware::Uefi, Some(architecture), "the file itself");
        }
        return node;
    }
    let what = if pe.is_some() { "program (PE) that cannot be read" } else { "program with a DOS header" };
    let mut node = Node::new("dos", what, source.size());
    node.problem(Severity::Error, None, error.to_string(), "if it should be an EFI program, copy it again");
    node
}

fn program(source: &Source, image: &Image) -> Node {
    let what = match image.subsystem {
        Image::EFI_APPLICATION => "EFI program",
        11 => "EFI boot service driver",
        12 => "EFI runtime driver",
        _ => "PE program, not for EFI",
    };
    Node::new("pe", format!("{what} for {}", machine(image.machine)), source.size())
}

/// A PE file that is no UKI: a boot loader, a stub, an add-on. Its texts are told, `.sbat` is a part.
fn sections(node: &mut Node, source: &Source, image: &Image) -> io::Result<Vec<Part>> {
    let stub = uki::stub_version(source, image)?;
    node.text("is", stub);
    if let Some(text) = text(source, image, ".cmdline")? {
        node.what = format!("UKI add-on for {}", machine(image.machine));
        node.text("adds to the command line", text);
    }
    sbat(node, source, image)?;
    let named = image.sections.iter().filter(|section| section.size() > 0);
    Ok(named
        .map(|section| {
            let mut part = uki::part(source, section);
            // They can be opened, and say nothing to people.
            part.node.kind = "code";
            part
        })
        .collect())
}

/// The content of a section that is a text; too long or unreadable ones are problems of another check.
fn text(source: &Source, image: &Image, name: &str) -> io::Result<Option<String>> {
    let Some(section) = image.section(name).filter(|section| section.size() <= pe::MAX_TEXT) else {
        return Ok(None);
    };
    match section.read(&mut Stream::sparse(source.clone(), 0)) {
        Ok(content) => Ok(Some(lines(&content))),
        Err(pe::Error::Read { source, .. }) => Err(source),
        Err(_) => Ok(None),
    }
}

/// Text with its line ends, nothing that steers a terminal.
fn lines(content: &[u8]) -> String {
    let content = content.split(|&byte| byte == 0).next().unwrap_or_default();
    let lines = content.split(|&byte| byte == b'\n').map(printable);
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

fn sbat(node: &mut Node, source: &Source, image: &Image) -> io::Result<()> {
    let Some(section) = image.section(".sbat") else { return Ok(()) };
    let offset = section.range().start;
    let Some(content) = text(source, image, ".sbat")? else { return Ok(()) };
    match pe::sbat::components(content.as_bytes(), "this file") {
        Ok(components) => {
            let name = |line: &&str| line.split(',').take(2).collect::<Vec<_>>().join(",");
            node.list("SBAT", components.iter().map(name).collect());
        }
        Err(error) => node.problem(Severity::Error, offset, error.to_string(), "build it again"),
    }
    Ok(())
}

/// The word that Linux uses.
fn architecture(machine: Machine) -> Option<&'static str> {
    Some(match machine {
        Machine::X64 => "x86_64",
        Machine::Arm64 => "aarch64",
        Machine::RiscV64 => "riscv64",
        Machine::LoongArch64 => "loongarch64",
        Machine::Other(_) => return None,
    })
}

fn machine(machine: Machine) -> String {
    architecture(machine).map_or_else(|| machine.to_string(), str::to_owned)
}
