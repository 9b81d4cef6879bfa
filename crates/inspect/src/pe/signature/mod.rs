//! Authenticode: who signed a PE file, and whether what is signed is what is there.
//!
//! Specification: Microsoft, "Windows Authenticode Portable Executable Signature Format". The certificate
//! table, little-endian, each entry on 8 bytes:
//!
//! ```text
//! 0 dwLength u32   4 wRevision u16 (0x200)   6 wCertificateType u16 (2: PKCS#7 SignedData)   8 data
//! ```
//!
//! The digest in the signature is compared with the file's (with `deep`); whether the signature itself is
//! right and the chain is trusted is for firmware with its keys to judge.

mod pkcs7;

use std::io;

use bootwright_formats::pe::{CertificateTable, Image};
use sha2::{Digest as _, Sha256};

use crate::bytes::{Bytes, read};
use crate::node::{Node, Severity};
use crate::recognise::{Look, Part};
use crate::source::{Source, each_piece};
use pkcs7::Signature;

/// The largest certificate table that is read: real ones have some 10 KiB.
const MAX_TABLE: u32 = 1 << 20;

/// The most signatures that are told: shim has two.
const MAX_SIGNATURES: usize = 16;

const SIGN_AGAIN: &str = "sign it again, with what is in it now";

/// Tells who signed, and gives each signature as a part, `signature1` and so on: its PKCS#7.
pub(super) fn look(
    node: &mut Node,
    source: &Source,
    head: &Bytes,
    image: &Image,
    look: &Look<'_>,
) -> io::Result<Vec<Part>> {
    let Some(table) = image.certificates else {
        node.flag("signed", false);
        return Ok(Vec::new());
    };
    let (start, end) = (u64::from(table.offset), u64::from(table.offset) + u64::from(table.size));
    if end > source.size() || table.size > MAX_TABLE {
        let what =
            format!("its signatures should be at {start} to {end}, which cannot be: the file is cut off");
        node.problem(Severity::Error, start, what, SIGN_AGAIN);
        return Ok(Vec::new());
    }
    if end < source.size() {
        let what = format!("{} bytes behind the signatures are not covered by them", source.size() - end);
        node.problem(Severity::Error, end, what, SIGN_AGAIN);
    }
    uncovered(node, image, start);
    let digest = if look.deep { digest(source, head, image, table)? } else { None };
    let (mut signers, mut issuers, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    for (offset, bytes) in entries(&read(source, start, table.size as usize)?) {
        match pkcs7::parse(bytes) {
            Ok(signature) => {
                issuers.push(signature.issuer.clone());
                signers.push(signature.signer.clone());
                let told = tell(node, &signature, digest, (table, bytes.len() as u64));
                let name = format!("signature{}", parts.len() + 1);
                parts.push(Part::window(source, name, start + offset + ENTRY_HEAD, told));
            }
            Err(error) => {
                let what = format!("a signature cannot be read: {error}");
                node.problem(Severity::Error, start + offset, what, SIGN_AGAIN);
            }
        }
    }
    old_authority(node, &issuers);
    node.flag("signed", true).list("signed by", signers);
    Ok(parts)
}

/// One signature as a node of its own.
fn tell(
    file: &mut Node,
    signature: &Signature,
    digest: Option<[u8; 32]>,
    (table, size): (CertificateTable, u64),
) -> Node {
    let mut node = Node::new(
        "signature",
        format!("Authenticode signature by {}", pkcs7::common_name(&signature.signer)),
        size,
    );
    node.text("signer", &signature.signer).text("issuer", &signature.issuer);
    if let Some(certificate) = &signature.certificate {
        node.time("valid from", certificate.valid.0).time("valid until", certificate.valid.1);
        node.text("key", &certificate.key);
    }
    node.text("algorithm", &signature.algorithm).text("digest", &signature.digest_algorithm);
    node.list("chain", signature.chain.clone());
    if let Some(digest) = digest.filter(|digest| digest.len() == signature.digest.len()) {
        let matches = signature.digest == digest;
        node.flag("digest matches", matches);
        if !matches {
            let what = "the file was changed after it was signed: its digest is not the signed one";
            file.problem(Severity::Error, u64::from(table.offset), what, SIGN_AGAIN);
        }
    }
    node
}

/// Sections must lie before the signatures, else what is signed is not what is loaded.
fn uncovered(node: &mut Node, image: &Image, start: u64) {
    for section in image.sections.iter().filter(|section| section.raw_size > 0) {
        if u64::from(section.raw_offset) + u64::from(section.raw_size) > start {
            let what = format!("section {} reaches into the signatures: they do not cover it", section.name);
            node.problem(Severity::Error, u64::from(section.raw_offset), what, SIGN_AGAIN);
        }
    }
}

/// Bytes of an entry before its data.
const ENTRY_HEAD: u64 = 8;

/// The PKCS#7 entries, each with its offset in the table.
fn entries(table: &Bytes) -> Vec<(u64, &[u8])> {
    let mut found = Vec::new();
    let mut at = 0_usize;
    while found.len() < MAX_SIGNATURES {
        let Some((length, kind)) = table.le32(at).zip(table.le16(at + 6)) else { break };
        let Some(data) = (length as usize).checked_sub(8).and_then(|length| table.slice(at + 8, length))
        else {
            break;
        };
        if kind == 2 {
            found.push((at as u64, data));
        }
        at += (length as usize).next_multiple_of(8);
    }
    found
}

/// Microsoft's authorities of 2011 expired during 2026; firmware that only knows the new ones refuses.
fn old_authority(node: &mut Node, issuers: &[String]) {
    let by = |year: &str| issuers.iter().any(|issuer| issuer.contains("Microsoft") && issuer.contains(year));
    if by("CA 2011") && !by("CA 2023") {
        let what = "it is signed by Microsoft's authority of 2011 only, which newest machines do not know";
        node.problem(Severity::Note, None, what, "have it signed by the authority of 2023, too");
    }
}

/// The Authenticode digest: headers without checksum and certificate directory, sections by their place in
/// the file, what is behind them, without the signatures.
fn digest(
    source: &Source,
    head: &Bytes,
    image: &Image,
    table: CertificateTable,
) -> io::Result<Option<[u8; 32]>> {
    let optional = head.le32(0x3c).unwrap_or(0) as u64 + 24;
    let (checksum, directory) = (optional + 64, optional + 112 + 4 * 8);
    let headers = u64::from(image.size_of_headers);
    let mut ranges = vec![0..checksum, checksum + 4..directory, directory + 8..headers];
    let mut sections: Vec<_> = image.sections.iter().filter(|section| section.raw_size > 0).collect();
    sections.sort_by_key(|section| section.raw_offset);
    let mut hashed = headers;
    for section in sections {
        let start = u64::from(section.raw_offset);
        ranges.push(start..start + u64::from(section.raw_size));
        hashed += u64::from(section.raw_size);
    }
    ranges.push(hashed..u64::from(table.offset).max(hashed));
    let mut sha = Sha256::new();
    for range in ranges {
        if range.start > range.end || range.end > source.size() {
            return Ok(None);
        }
        each_piece(source, range, |bytes| sha.update(bytes))?;
    }
    Ok(Some(sha.finalize().into()))
}
