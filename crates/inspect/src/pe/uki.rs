//! The sections of a UKI. Specification: UAPI.5 "Unified Kernel Image".

use std::io;

use bootwright_formats::pe::{Image, Section};

use super::{machine, sbat, text};
use crate::bytes::read;
use crate::node::{Node, Severity};
use crate::os_release;
use crate::recognise::Part;
use crate::source::Source;

/// Sections that are texts: they are shown, not looked into.
const TEXTS: [&str; 6] = [".cmdline", ".osrel", ".uname", ".sbat", ".pcrsig", ".profile"];

/// Sections with a meaning for a boot; those of the stub's own code are left away.
const SHOWN: [&str; 15] = [
    ".linux", ".initrd", ".ucode", ".cmdline", ".osrel", ".uname", ".dtb", ".dtbauto", ".hwids", ".efifw",
    ".splash", ".pcrsig", ".pcrpkey", ".profile", ".sbat",
];

/// The longest `.sdmagic`.
const MAX_MAGIC: usize = 256;

pub(super) fn look(
    node: &mut Node,
    source: &Source,
    image: &Image,
    architecture: Option<&str>,
) -> io::Result<Vec<Part>> {
    node.kind = "uki";
    node.what = format!("unified kernel image for {}", machine(image.machine));
    let release = text(source, image, ".osrel")?.unwrap_or_default();
    node.text("operating system", os_release::name(&release).unwrap_or_default());
    node.text("kernel", text(source, image, ".uname")?.unwrap_or_default());
    node.text("command line", text(source, image, ".cmdline")?.unwrap_or_default());
    node.text("stub", stub_version(source, image)?);
    sbat(node, source, image)?;
    if image.section(".osrel").is_none() {
        let what = "no section .osrel: systemd-boot does not list it";
        node.problem(Severity::Warning, None, what, "build it with an os-release");
    }
    if architecture.is_none() {
        let what = format!("it is for {}, which is none that UKIs are made for", image.machine);
        node.problem(Severity::Warning, None, what, "take the stub of the right machine");
    }
    let profiles = image.sections.iter().filter(|section| section.name == ".profile").count();
    if profiles > 0 {
        node.number("profiles", profiles as u64);
    }
    let shown = image.sections.iter().filter(|section| SHOWN.contains(&section.name.as_str()));
    let mut parts: Vec<Part> = Vec::new();
    for section in shown.filter(|section| section.size() > 0) {
        // The sections of a profile have the names of those of the base: the first has the plain name.
        let same = parts.iter().filter(|part| part.name.split('@').next() == Some(&section.name)).count();
        let mut part = part(source, section);
        if same > 0 {
            part.name = format!("{}@{same}", section.name);
        }
        parts.push(part);
    }
    Ok(parts)
}

/// A section as a part of the file.
pub(super) fn part(source: &Source, section: &Section) -> Part {
    let (kind, what) = match section.name.as_str() {
        name if TEXTS.contains(&name) => ("text", "text"),
        ".splash" => ("picture", "picture"),
        ".pcrpkey" => ("key", "public key"),
        _ => ("section", "section"),
    };
    let node = Node::new(kind, what, section.size());
    Part::window(source, section.name.clone(), section.range().start, node)
}

/// Which stub or loader it is: `#### LoaderInfo: systemd-stub 252.39-1~deb12u2 ####`.
pub(super) fn stub_version(source: &Source, image: &Image) -> io::Result<String> {
    let Some(section) = image.section(".sdmagic") else { return Ok(String::new()) };
    let magic = read(source, section.range().start, (section.size() as usize).min(MAX_MAGIC))?;
    let text = magic.text(0, magic.0.len());
    let inside = text.strip_prefix("#### LoaderInfo: ").and_then(|text| text.strip_suffix(" ####"));
    Ok(inside.unwrap_or_default().to_owned())
}
