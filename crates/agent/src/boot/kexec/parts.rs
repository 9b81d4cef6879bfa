//! Kernel, initrd and command line as kexec_file_load(2) wants them: one descriptor each.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, copy};
use std::ops::Range;
use std::path::Path;

use bootwright_formats::pe::{Error, Image, Uki};
use rustix::fs::{MemfdFlags, memfd_create};

use super::{KexecError, open, read_error};

/// What a file gives to boot.
pub struct Parts {
    /// The kernel.
    pub kernel: File,
    /// One initrd, put together.
    pub initrd: Option<File>,
    /// The UKI's `.cmdline`.
    pub command_line: Option<String>,
}

/// An initrd starts at a multiple of that in memory, and so must each archive in it (Documentation/
/// driver-api/early-userspace/buffer-format.rst).
const ALIGNMENT: u64 = 4;

/// Takes `kernel` apart when it is a UKI, and puts `initrd` behind what it has.
pub fn read(kernel: &Path, initrd: Option<&Path>) -> Result<Parts, KexecError> {
    let mut file = open(kernel)?;
    let Some(uki) = uki(&mut file, kernel)? else {
        let initrd = initrd.map(open).transpose()?;
        return Ok(Parts { kernel: file, initrd, command_line: None });
    };
    let unsound = |source| KexecError::Uki { path: kernel.to_owned(), source };
    let command_line = uki.text(&mut file, ".cmdline").map_err(unsound)?;
    let command_line = command_line.map(|text| text.trim_end_matches(['\0', '\n']).to_owned());
    let linux = memory_file("kernel").map_err(read_error(kernel))?;
    append(&mut file, &uki.linux(), &linux).map_err(read_error(kernel))?;
    let joined = memory_file("initrd").map_err(read_error(kernel))?;
    // Microcode is found only at the very start (Documentation/arch/x86/microcode.rst).
    for range in [".ucode", ".initrd"].into_iter().filter_map(|name| uki.range(name)) {
        append(&mut file, &range, &joined).map_err(read_error(kernel))?;
    }
    if let Some(path) = initrd {
        let mut extra = open(path)?;
        let length = extra.metadata().map_err(read_error(path))?.len();
        append(&mut extra, &(0..length), &joined).map_err(read_error(path))?;
    }
    let empty = joined.metadata().map_err(read_error(kernel))?.len() == 0;
    Ok(Parts { kernel: linux, initrd: (!empty).then_some(joined), command_line })
}

/// `None` for a plain kernel, which may be a PE file too.
pub fn uki(file: &mut File, path: &Path) -> Result<Option<Uki>, KexecError> {
    match Image::read(file) {
        Ok(image) if image.section(".linux").is_some() => {}
        Err(Error::Read { source, .. }) => return Err(read_error(path)(source)),
        _ => {
            file.rewind().map_err(read_error(path))?;
            return Ok(None);
        }
    }
    let unsound = |source| KexecError::Uki { path: path.to_owned(), source };
    Uki::read(file).map(Some).map_err(unsound)
}

/// Copies `range` of `from` to the end of `to`, filled up to the alignment.
fn append(from: &mut File, range: &Range<u64>, to: &File) -> std::io::Result<()> {
    let length = range.end.saturating_sub(range.start);
    from.seek(SeekFrom::Start(range.start))?;
    let mut to = to;
    let copied = copy(&mut from.take(length), &mut to)?;
    if copied != length {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let padding = copied.next_multiple_of(ALIGNMENT) - copied;
    copy(&mut std::io::repeat(0).take(padding), &mut to).map(drop)
}

fn memory_file(name: &str) -> std::io::Result<File> {
    Ok(memfd_create(name, MemfdFlags::CLOEXEC)?.into())
}
