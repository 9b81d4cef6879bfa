//! What a module says about itself: the `.modinfo` section of its ELF file, `key=value` and NUL by turns.

use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

/// What is read of a module's `.modinfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModInfo {
    /// `vermagic`: the kernel it was built for, then its options.
    pub vermagic: Option<String>,
    /// `firmware`: files it may ask for, relative to `/lib/firmware`; some hold `*`.
    pub firmware: Vec<String>,
}

/// Why a file is no module.
#[derive(Debug, thiserror::Error)]
pub enum ModInfoError {
    /// Not an ELF file, or a broken one.
    #[error("it is no ELF object")]
    Elf(#[from] object::Error),
    /// ELF, but no kernel module.
    #[error("it has no .modinfo section")]
    NoSection,
}

impl ModInfo {
    /// Reads it out of an unpacked module.
    pub fn of_module(module: &[u8]) -> Result<Self, ModInfoError> {
        let file = object::File::parse(module)?;
        let section = file.section_by_name(".modinfo").ok_or(ModInfoError::NoSection)?;
        Ok(Self::parse(section.data()?))
    }

    /// Reads the section's bytes. Entries of other keys, without `=` or not in UTF-8 are skipped.
    pub fn parse(section: &[u8]) -> Self {
        let mut info = Self::default();
        for (key, value) in entries(section) {
            match key {
                "vermagic" => info.vermagic = Some(value.to_owned()),
                "firmware" => info.firmware.push(value.to_owned()),
                _ => {}
            }
        }
        info
    }
}

/// The firmware that built-in modules name, out of `modules.builtin.modinfo`: there each key has its
/// module's name and a dot before it.
pub fn built_in_firmware(section: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    entries(section).filter_map(|(key, value)| Some((key.strip_suffix(".firmware")?, value)))
}

/// Whether the module calls, or reads, a symbol of the kernel by one of these names.
pub fn imports_any(module: &[u8], symbols: &[&str]) -> Result<bool, ModInfoError> {
    let file = object::File::parse(module)?;
    let mut undefined = file.symbols().filter(object::ObjectSymbol::is_undefined);
    Ok(undefined.any(|symbol| symbol.name().is_ok_and(|name| symbols.contains(&name))))
}

fn entries(section: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let text = section.split(|&byte| byte == 0).filter_map(|entry| std::str::from_utf8(entry).ok());
    text.filter_map(|entry| entry.split_once('='))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn takes_what_counts_and_skips_the_rest() {
        let section =
            b"license=GPL\0\0\0firmware=a/b.bin\0firmware=c=d\0broken\0\xff=x\0vermagic=6.1.0 SMP\0";
        let info = ModInfo::parse(section);
        assert_eq!(info.firmware, ["a/b.bin", "c=d"]);
        assert_eq!(info.vermagic.as_deref(), Some("6.1.0 SMP"));
    }

    #[test]
    fn built_in_modules_name_theirs_with_a_prefix() {
        let section = b"e100.license=GPL\0e100.firmware=e100/d101m_ucode.bin\0";
        assert_eq!(built_in_firmware(section).collect::<Vec<_>>(), [("e100", "e100/d101m_ucode.bin")]);
    }

    #[test]
    fn a_text_file_is_no_module() {
        assert!(matches!(ModInfo::of_module(b"hello"), Err(ModInfoError::Elf(_))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            ModInfo::parse(&bytes);
            let _ = ModInfo::of_module(&bytes);
            let elf = [b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x01\0\x3e\0".as_slice(), &bytes].concat();
            let _ = ModInfo::of_module(&elf);
            let _ = imports_any(&elf, &["x"]);
        }

        #[test]
        fn entries_come_back_in_order(firmware in proptest::collection::vec("[a-z0-9/.=]{1,20}", 0..10)) {
            let section: String = firmware.iter().map(|name| format!("firmware={name}\0")).collect();
            prop_assert_eq!(ModInfo::parse(section.as_bytes()).firmware, firmware);
        }
    }
}
