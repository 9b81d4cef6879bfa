//! Names in the two trees: those of ISO 9660 in capitals, those of Joliet in UCS-2.

use std::collections::BTreeSet;

use super::WriteError;

/// Characters of an ISO 9660 name with its dot, without the version: interchange level 2.
const MAX_ISO: usize = 30;

/// Characters of a Joliet name, without the version.
const MAX_JOLIET: usize = 64;

/// What Joliet forbids.
const FORBIDDEN: &str = "*/:;?\\";

/// The version that every file has.
const VERSION: &str = ";1";

/// A volume's name in d-characters (ECMA-119, 7.4.1).
pub(super) fn volume_id(name: &str) -> Result<String, WriteError> {
    let lawful = name.bytes().all(is_d_character) && !name.is_empty() && name.len() <= 32;
    if lawful { Ok(name.to_owned()) } else { Err(WriteError::VolumeId(name.to_owned())) }
}

fn is_d_character(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'
}

/// The ISO 9660 name for `name`, other than those `taken`.
pub(super) fn iso9660(name: &str, is_file: bool, taken: &mut BTreeSet<Vec<u8>>) -> Vec<u8> {
    let d = |text: &str| -> String {
        let upper = text.chars().map(|c| c.to_ascii_uppercase());
        upper.map(|c| if u8::try_from(c).is_ok_and(is_d_character) { c } else { '_' }).collect()
    };
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if is_file => (d(stem), d(extension)),
        _ => (d(name), String::new()),
    };
    let extension: String = extension.chars().take(MAX_ISO / 2).collect();
    unique(taken, |tail| {
        let room = MAX_ISO - 1 - extension.len() - tail.len();
        let stem: String = stem.chars().take(room).collect();
        let version = if is_file { format!(".{extension}{VERSION}") } else { String::new() };
        format!("{stem}{tail}{version}").into_bytes()
    })
}

/// The Joliet name for `name`, other than those `taken`.
pub(super) fn joliet(name: &str, is_file: bool, taken: &mut BTreeSet<Vec<u8>>) -> Vec<u8> {
    let lawful = |c: char| if c.is_control() || FORBIDDEN.contains(c) || c as u32 > 0xffff { '_' } else { c };
    let units: String = name.chars().map(lawful).collect();
    let (stem, extension) = match units.rsplit_once('.') {
        Some((stem, extension)) if extension.chars().count() < 16 => {
            (stem.to_owned(), format!(".{extension}"))
        }
        _ => (units.clone(), String::new()),
    };
    unique(taken, |tail| {
        let room = MAX_JOLIET - extension.chars().count() - tail.len();
        let stem: String = stem.chars().take(room).collect();
        let version = if is_file { VERSION } else { "" };
        format!("{stem}{tail}{extension}{version}").encode_utf16().flat_map(u16::to_be_bytes).collect()
    })
}

/// The first of `make("")`, `make("_1")`, … that is not taken.
fn unique(taken: &mut BTreeSet<Vec<u8>>, make: impl Fn(&str) -> Vec<u8>) -> Vec<u8> {
    let mut number = 0u32;
    loop {
        let tail = if number == 0 { String::new() } else { format!("_{number}") };
        let name = make(&tail);
        if taken.insert(name.clone()) {
            return name;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_iso_9660_are_capitals_and_differ() {
        let mut taken = BTreeSet::new();
        let mut name = |name: &str, is_file| String::from_utf8(iso9660(name, is_file, &mut taken)).unwrap();
        assert_eq!(name("BOOTX64.EFI", true), "BOOTX64.EFI;1");
        assert_eq!(name("bootx64.efi", true), "BOOTX64_1.EFI;1");
        assert_eq!(name("linux", true), "LINUX.;1");
        assert_eq!(name("worker_2026.11.20", false), "WORKER_2026_11_20");
        assert_eq!(name(&"x".repeat(99), true).len(), 32);
        assert_eq!(name(&"x".repeat(99), true).len(), 32);
    }

    #[test]
    fn names_of_joliet_keep_case_and_umlauts() {
        let mut taken = BTreeSet::new();
        let text = |bytes: Vec<u8>| {
            let units: Vec<u16> =
                bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16(&units).unwrap()
        };
        assert_eq!(text(joliet("Größe: 1.txt", true, &mut taken)), "Größe_ 1.txt;1");
        let long = "y".repeat(100) + ".img";
        assert_eq!(text(joliet(&long, true, &mut taken)).len(), 66);
        assert!(text(joliet(&long, true, &mut taken)).ends_with("_1.img;1"));
    }
}
