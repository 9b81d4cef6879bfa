//! Where the firmware loaded the UKI from: variables that systemd-stub and systemd-boot set.
//!
//! An efivarfs file is 4 bytes of attributes and the value; these are UTF-16LE, ended by a NUL.

use std::fs;
use std::path::Path;

/// Where efivarfs is mounted.
pub const EFIVARS: &str = "/sys/firmware/efi/efivars";

/// The vendor GUID of the Boot Loader Interface.
const VENDOR: &str = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";

/// The variable that the stub sets when the UKI came from a partition of a disk: its PARTUUID.
pub const PARTITION: &str = "LoaderDevicePartUUID";

/// A URL that takes more bytes than that is not one.
const MAX_VARIABLE: usize = 8 << 10;

/// Reads the text of the variable `name` of the Boot Loader Interface.
pub fn read(name: &str) -> Option<String> {
    let bytes = fs::read(Path::new(EFIVARS).join(format!("{name}-{VENDOR}"))).ok()?;
    decode(&bytes)
}

/// The text of a variable's file; `None` when it is none.
fn decode(file: &[u8]) -> Option<String> {
    let value = file.get(4..).filter(|value| value.len() <= MAX_VARIABLE)?;
    let units = value.chunks_exact(2).map(|pair| match pair {
        [low, high] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    });
    let text: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    String::from_utf16(&text).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(text: &str) -> Vec<u8> {
        let units = text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes);
        [7, 0, 0, 0].into_iter().chain(units).collect()
    }

    #[test]
    fn a_value_without_its_nul_or_without_text_is_no_trouble() {
        let mut file = encode("http://s/image.efi");
        file.truncate(file.len() - 2);
        assert_eq!(decode(&file).as_deref(), Some("http://s/image.efi"));
        assert_eq!(decode(&encode("")), None);
        assert_eq!(decode(&[7, 0]), None);
    }

    proptest! {
        #[test]
        fn what_a_boot_loader_writes_is_read(text in "[^\u{0}]{1,60}") {
            prop_assert_eq!(decode(&encode(&text)), Some(text));
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = decode(&bytes);
        }
    }
}
