//! The libraries that a program names: `DT_NEEDED` of its dynamic section.

use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader};
use object::{Endianness, FileKind};

/// The names, as `libc.so.6`; none when the file is no dynamic ELF file or a broken one.
pub(super) fn needed(file: &[u8]) -> Vec<String> {
    let names = match FileKind::parse(file) {
        Ok(FileKind::Elf32) => names::<FileHeader32<Endianness>>(file),
        Ok(FileKind::Elf64) => names::<FileHeader64<Endianness>>(file),
        _ => Ok(Vec::new()),
    };
    names.unwrap_or_default()
}

fn names<H: FileHeader<Endian = Endianness>>(file: &[u8]) -> object::Result<Vec<String>> {
    let header = H::parse(file)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, file)?;
    let Some((entries, strings)) = sections.dynamic(endian, file)? else { return Ok(Vec::new()) };
    let strings = sections.strings(endian, file, strings)?;
    let needed = entries.iter().filter(|entry| entry.tag(endian) == elf::DT_NEEDED);
    let names = needed.filter_map(|entry| entry.string(endian, strings).ok());
    Ok(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::needed;
    use proptest::prelude::*;

    #[test]
    fn this_test_program_names_the_c_library() {
        let program = std::fs::read("/proc/self/exe").unwrap();
        assert!(needed(&program).iter().any(|name| name.starts_with("libc.so")), "{:?}", needed(&program));
    }

    proptest! {
        #[test]
        fn any_bytes_name_some_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            needed(&bytes);
            needed(&[b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0".as_slice(), &bytes].concat());
        }
    }
}
