//! The stub: the program in front of the UKI that unpacks and starts the kernel.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use bootwright_formats::pe::{Image, MAX_HEADERS, MAX_STUB, Machine, StubVersion};

use super::Error;

/// Where distributions put systemd-stub, as `linuxx64.efi.stub` and the like.
pub const DIRECTORY: &str = "/usr/lib/systemd/boot/efi";

/// A stub, whole.
pub(super) struct Stub {
    pub(super) path: PathBuf,
    pub(super) bytes: Vec<u8>,
    pub(super) image: Image,
    pub(super) version: Option<StubVersion>,
}

impl Stub {
    /// Reads the stub that was named, or the installed one for that machine.
    pub(super) fn find(named: Option<&Path>, machine: Machine) -> Result<Self, Error> {
        let path = named.map_or_else(|| installed(machine), Path::to_owned);
        let bytes = match read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => {
                return Err(Error::NoStub { path, machine });
            }
            Err(source) => return Err(Error::Read { path, source }),
        };
        let head = bytes.get(..bytes.len().min(MAX_HEADERS)).unwrap_or_default();
        let image = match Image::parse(head, bytes.len() as u64) {
            Ok(image) => image,
            Err(source) => return Err(Error::Layout { stub: path, source: source.into() }),
        };
        if image.machine != machine {
            return Err(Error::Machine { path, stub: image.machine, kernel: machine });
        }
        let version = StubVersion::of(&image, &bytes);
        Ok(Self { path, bytes, image, version })
    }

    /// Whether microcode can be a section of its own.
    pub(super) fn knows_ucode(&self) -> bool {
        self.version.as_ref().is_some_and(StubVersion::knows_ucode)
    }

    /// The content of one of its sections.
    pub(super) fn content(&self, name: &str) -> Option<&[u8]> {
        let range = self.image.section(name)?.range();
        self.bytes.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
    }
}

/// Where the stub for that machine is, if it is installed.
pub fn installed(machine: Machine) -> PathBuf {
    let name = machine.efi_name().unwrap_or("unknown");
    Path::new(DIRECTORY).join(format!("linux{name}.efi.stub"))
}

/// One byte more than a stub may have is enough to refuse it.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_STUB as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
