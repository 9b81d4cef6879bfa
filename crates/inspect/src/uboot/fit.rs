//! FIT: U-Boot's flattened image tree; and plain devicetrees.
//!
//! Specification: "Flattened Image Tree (FIT) Format", source file format 1.0. A devicetree with `/images`
//! (each with `data`, or `data-offset` from the tree's end, or `data-position`, and `data-size`) and
//! `/configurations`.

use std::io;
use std::ops::Range;

use super::fdt::{Fdt, Tree, parse};
use super::{architecture, hash};
use crate::node::{Firmware, Node, Severity};
use crate::recognise::{Found, Inner, Look, Part};
use crate::source::Source;

pub(super) fn recognise(source: &Source, look: &Look<'_>) -> io::Result<Option<Found>> {
    let Some(fdt) = parse(source)? else { return Ok(None) };
    let mut node = Node::new("devicetree", "devicetree", source.size());
    if fdt.total > source.size() {
        let what = format!("it is cut off: totalsize is {}, there are {} bytes", fdt.total, source.size());
        node.problem(Severity::Error, 4, what, "copy it again, whole");
    }
    if let Some((at, fault)) = &fdt.fault {
        node.problem(Severity::Error, *at, format!("the devicetree is broken: {fault}"), "build it again");
        return Ok(Some(node.into()));
    }
    let Some(images) = fdt.root.child("images") else {
        node.text("model", fdt.root.text(source, "model")?);
        node.list("compatible", fdt.root.texts(source, "compatible")?);
        node.number("version", fdt.version);
        return Ok(Some(node.into()));
    };
    node.kind = "fit";
    node.what = "FIT image (U-Boot)".to_owned();
    node.text("description", fdt.root.text(source, "description")?);
    let mut parts = Vec::new();
    for image in &images.children {
        if let Some(mut part) = part(&mut node, source, &fdt, image)? {
            if look.deep {
                hash::compare(&mut part, source, image)?;
            }
            parts.push(part);
        }
    }
    configurations(&mut node, source, &fdt)?;
    Ok(Some(Found { node, inner: Inner::Parts(parts) }))
}

fn part(node: &mut Node, source: &Source, fdt: &Fdt, image: &Tree) -> io::Result<Option<Part>> {
    let Some(range) = data(source, fdt, image)? else {
        let what = format!("image {} has no data", image.name);
        node.problem(Severity::Error, None, what, "build it again with mkimage -f");
        return Ok(None);
    };
    let kind = image.text(source, "type")?;
    let mut inner = Node::new("image", format!("{kind} of the FIT image"), range.end - range.start);
    inner.text("description", image.text(source, "description")?).text("type", kind);
    inner
        .text("architecture", architecture(&image.text(source, "arch")?))
        .text("os", image.text(source, "os")?);
    inner.text("packed with", image.text(source, "compression")?);
    for (name, property) in [("loaded at", "load"), ("entered at", "entry")] {
        if let Some(address) = image.number(source, property)? {
            inner.text(name, format!("{address:#x}"));
        }
    }
    let hashes = image.children.iter().filter(|child| child.name.starts_with("hash"));
    inner.list("hashes", hashes.map(|hash| hash.text(source, "algo")).collect::<io::Result<_>>()?);
    let signatures = image.children.iter().filter(|child| child.name.starts_with("signature"));
    inner.list("signatures", signatures.map(|hash| hash.text(source, "algo")).collect::<io::Result<_>>()?);
    if range.end > source.size() {
        let what = format!("its data ends at {}, the file at {}: it is cut off", range.end, source.size());
        inner.problem(Severity::Error, 0, what, "copy it again, whole");
    }
    Ok(Some(Part::window(source, image.name.clone(), range.start, inner)))
}

/// Where the image lies.
fn data(source: &Source, fdt: &Fdt, image: &Tree) -> io::Result<Option<Range<u64>>> {
    if let Some(range) = image.data("data") {
        return Ok(Some(range));
    }
    let Some(size) = image.number(source, "data-size")? else { return Ok(None) };
    let start = match image.number(source, "data-position")? {
        Some(position) => Some(position),
        None => {
            image.number(source, "data-offset")?.and_then(|at| fdt.total.next_multiple_of(4).checked_add(at))
        }
    };
    Ok(start.and_then(|start| Some(start..start.checked_add(size)?)))
}

fn configurations(node: &mut Node, source: &Source, fdt: &Fdt) -> io::Result<()> {
    let Some(all) = fdt.root.child("configurations") else {
        let what = "no configurations: U-Boot's bootm has to be told each image";
        node.problem(Severity::Warning, None, what, "give it a node /configurations");
        return Ok(());
    };
    let default = all.text(source, "default")?;
    let images = fdt.root.child("images");
    let mut told = Vec::new();
    for configuration in &all.children {
        told.push(configuration.name.clone());
        for role in ["kernel", "ramdisk", "fdt", "firmware", "loadables"] {
            for name in configuration.texts(source, role)? {
                let Some(image) = images.and_then(|images| images.child(&name)) else {
                    let what = format!(
                        "configuration {} names {role} {name}, which is not there",
                        configuration.name
                    );
                    node.problem(Severity::Error, None, what, "build it again with mkimage -f");
                    continue;
                };
                if role == "kernel" {
                    let arch = image.text(source, "arch")?;
                    let starts = format!("configuration {}", configuration.name);
                    node.boots(Firmware::UBoot, Some(architecture(&arch)), starts);
                }
            }
        }
    }
    if !default.is_empty() && all.child(&default).is_none() {
        let what = format!("the default configuration {default} is not there");
        node.problem(Severity::Error, None, what, "name one that is there");
    }
    node.text("default", default).list("configurations", told);
    Ok(())
}
