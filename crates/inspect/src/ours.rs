//! The manifests of bootwright: `image.json` and `root.json`, and whether the artifacts beside them match.

use std::io;

use bootwright_formats::ReadAt as _;
use bootwright_image::{Digest, Digester, MAX_MANIFEST, Manifest, RootManifest};

use crate::bytes::read;
use crate::node::{Firmware, Node, Severity};
use crate::recognise::{Found, Look};
use crate::source::{Source, each_piece};

const BUILD_AGAIN: &str = "build the image again, or copy it again, whole";

pub(crate) fn recognise(source: &Source, look: &Look<'_>) -> io::Result<Option<Found>> {
    if source.size() > MAX_MANIFEST as u64 || !read(source, 0, 1)?.has(0, b"{") {
        return Ok(None);
    }
    let bytes = read(source, 0, MAX_MANIFEST)?.0;
    if let Ok(manifest) = Manifest::from_bytes(&bytes) {
        return image(source, &manifest, look).map(|node| Some(node.into()));
    }
    match RootManifest::from_bytes(&bytes) {
        Ok(manifest) => root(source, &manifest, look).map(|node| Some(node.into())),
        Err(_) => Ok(None),
    }
}

fn image(source: &Source, manifest: &Manifest, look: &Look<'_>) -> io::Result<Node> {
    let mut node = Node::new("image-manifest", format!("bootwright image {}", manifest.name), source.size());
    node.text("name", &manifest.name).text("architecture", &manifest.architecture);
    node.text("mode", manifest.mode.name()).text("kernel", &manifest.kernel);
    node.text("operating system", manifest.os.clone().unwrap_or_default());
    node.time("made", manifest.created);
    node.list("artifacts", manifest.artifacts.iter().map(|artifact| artifact.file.clone()).collect());
    let total = manifest.artifacts.iter().map(|artifact| artifact.size).fold(0, u64::saturating_add);
    node.bytes("artifacts take", total);
    for artifact in &manifest.artifacts {
        beside(&mut node, &artifact.file, artifact.size, &artifact.digest, look)?;
    }
    node.boots(Firmware::Uefi, Some(&manifest.architecture), "image.efi");
    Ok(node)
}

fn root(source: &Source, manifest: &RootManifest, look: &Look<'_>) -> io::Result<Node> {
    let mut node = Node::new("root-manifest", "bootwright root manifest", source.size());
    node.text("file", &manifest.file)
        .text("format", manifest.format.name())
        .bytes("root size", manifest.size);
    node.bytes("chunk size", manifest.chunks.size).number("chunks", manifest.chunks.sha256.len() as u64);
    node.text("digest", manifest.digest.to_string());
    beside(&mut node, &manifest.file, manifest.size, &manifest.digest, look)?;
    Ok(node)
}

/// Compares an artifact with what the manifest says of it: its size, and with `deep` its digest.
fn beside(node: &mut Node, file: &str, size: u64, digest: &Digest, look: &Look<'_>) -> io::Result<()> {
    let Some(directory) = look.beside else { return Ok(()) };
    let Some(artifact) = directory.open(file)? else {
        node.problem(Severity::Error, None, format!("{file} is not beside it"), BUILD_AGAIN);
        return Ok(());
    };
    if artifact.size() != size {
        let what = format!("{file} has {} bytes, the manifest says {size}", artifact.size());
        node.problem(Severity::Error, None, what, BUILD_AGAIN);
    } else if look.deep && digest_of(&artifact)? != *digest {
        let what = format!("{file} is not the one that the manifest is about: its digest is another");
        node.problem(Severity::Error, None, what, BUILD_AGAIN);
    }
    Ok(())
}

fn digest_of(source: &Source) -> io::Result<Digest> {
    let mut digester = Digester::default();
    each_piece(source, 0..source.size(), |bytes| digester.update(bytes))?;
    Ok(digester.finish())
}
