//! LUKS1 and LUKS2.
//!
//! Specifications: "LUKS On-Disk Format 1.2.3" and "LUKS2 On-Disk Format 1.1.3". At byte 0, big-endian:
//!
//! ```text
//! both   0 "LUKS\xba\xbe"   6 version u16   168 uuid[40], a text
//! LUKS1  8 cipher[32]   40 mode[32]   72 hash[32]   104 payload (sectors)   108 key bytes   208 8 key slots of 48
//! LUKS2  8 hdr_size u64   24 label[48]   72 checksum's name[32]   448 checksum[64]
//!        4096 JSON up to hdr_size   hdr_size "SKUL\xba\xbe" the second header
//! ```

use std::io;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::bytes::{Bytes, printable, read};
use crate::node::{Node, Severity};
use crate::source::Source;

/// Where the JSON of LUKS2 starts.
const JSON: u64 = 4096;

/// The smallest header of LUKS2, in bytes.
const MIN_HEADER: u64 = 16 << 10;

/// The largest header of LUKS2 that its specification allows, in bytes.
const MAX_HEADER: u64 = 4 << 20;

/// A LUKS1 key slot in use.
const ENABLED: u32 = 0x00ac_71f3;

pub(super) fn recognise(source: &Source) -> io::Result<Option<Node>> {
    let head = read(source, 0, 592)?;
    if !head.has(0, b"LUKS\xba\xbe") {
        return Ok(None);
    }
    let version = head.be16(6).unwrap_or(0);
    let mut node = Node::new("luks", format!("LUKS{version} encryption"), source.size());
    node.text("uuid", head.text(168, 40));
    node.needs("device-mapper with dm-crypt, cryptsetup, and the key");
    match version {
        1 => luks1(&mut node, &head),
        2 => luks2(&mut node, &head, source)?,
        _ => {
            let what = format!("LUKS version {version} is unknown");
            node.problem(Severity::Error, 6, what, "use a newer cryptsetup");
        }
    }
    Ok(Some(node))
}

fn luks1(node: &mut Node, head: &Bytes) {
    node.text("cipher", format!("{}-{}", head.text(8, 32), head.text(40, 32)));
    node.text("hash", head.text(72, 32)).number("key bits", u64::from(head.be32(108).unwrap_or(0)) * 8);
    let slots = (0..8).filter(|slot| head.be32(208 + slot * 48) == Some(ENABLED)).count();
    node.number("key slots in use", slots as u64);
    node.bytes("data offset", u64::from(head.be32(104).unwrap_or(0)) * 512);
    if slots == 0 {
        let what = "no key slot is in use: nobody can open it";
        node.problem(Severity::Error, 208, what, "restore the header from a backup");
    }
}

fn luks2(node: &mut Node, head: &Bytes, source: &Source) -> io::Result<()> {
    node.text("label", head.text(24, 48));
    let size = head.be64(8).unwrap_or(0);
    if !(MIN_HEADER..=MAX_HEADER).contains(&size) {
        let what = format!("its header has {size} bytes (hdr_size), lawful are 16 KiB to 4 MiB");
        node.problem(Severity::Error, 8, what, "restore the header from a backup");
        return Ok(());
    }
    if !read(source, size, 6)?.has(0, b"SKUL\xba\xbe") {
        let what = "the second header is missing or broken";
        node.problem(Severity::Warning, size, what, "run cryptsetup repair on it");
    }
    if head.text(72, 32) == "sha256" {
        let mut header = read(source, 0, size as usize)?.0;
        header.iter_mut().skip(448).take(64).for_each(|byte| *byte = 0);
        if head.slice(448, 32) != Some(&Sha256::digest(&header)[..]) {
            let what = "the first header is damaged: its checksum is another";
            node.problem(Severity::Error, 448, what, "run cryptsetup repair on it");
        }
    }
    let json = read(source, JSON, (size - JSON) as usize)?;
    let json = json.0.split(|&byte| byte == 0).next().unwrap_or_default();
    match serde_json::from_slice::<Value>(json) {
        Ok(json) => metadata(node, &json),
        Err(error) => {
            let what = format!("its metadata is no JSON: {error}");
            node.problem(Severity::Error, JSON, what, "run cryptsetup repair on it");
        }
    }
    Ok(())
}

/// What the JSON tells: how the data is encrypted, which key slots and tokens there are.
fn metadata(node: &mut Node, json: &Value) {
    let objects = |name: &str| json.get(name).and_then(Value::as_object).into_iter().flatten();
    let text = |value: &Value, name: &str| {
        value.get(name).and_then(Value::as_str).map(|text| printable(text.as_bytes())).unwrap_or_default()
    };
    if let Some((_, segment)) = objects("segments").next() {
        node.text("cipher", text(segment, "encryption"));
        if let Some(sector) = segment.get("sector_size").and_then(Value::as_u64) {
            node.bytes("sector size", sector);
        }
        if let Ok(offset) = text(segment, "offset").parse::<u64>() {
            node.bytes("data offset", offset);
        }
    }
    let kdf = |slot: &Value| slot.get("kdf").map(|kdf| text(kdf, "type")).unwrap_or_default();
    node.list("key slots", objects("keyslots").map(|(name, slot)| format!("{name}:{}", kdf(slot))).collect());
    node.list("tokens", objects("tokens").map(|(_, token)| text(token, "type")).collect());
    for (_, token) in objects("tokens") {
        match text(token, "type").as_str() {
            "systemd-tpm2" => node.needs("the TPM that it was enrolled with, or another key slot"),
            "systemd-fido2" => node.needs("the FIDO2 token that it was enrolled with, or another key slot"),
            _ => continue,
        };
    }
    if objects("keyslots").next().is_none() {
        let what = "no key slot is in use: nobody can open it";
        node.problem(Severity::Error, JSON, what, "restore the header from a backup");
    }
}
