//! The UKI's view of a PE file: what is where in it.

use std::io::{Read, Seek};
use std::ops::Range;

use super::{Error, Image, Section};

/// A unified kernel image: a PE file with a kernel in it.
///
/// ```no_run
/// # use bootwright_formats::pe::Uki;
/// let mut file = std::fs::File::open("image.efi")?;
/// let uki = Uki::read(&mut file)?;
/// println!("kernel: bytes {:?}", uki.linux());
/// println!("initrd: bytes {:?}", uki.range(".initrd"));
/// println!("command line: {:?}", uki.text(&mut file, ".cmdline")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uki {
    image: Image,
    /// The number of sections before the first `.profile`.
    base: usize,
    linux: Range<u64>,
}

impl Uki {
    /// Reads the headers; an error when there is no section `.linux`.
    pub fn read(source: &mut (impl Read + Seek)) -> Result<Self, Error> {
        Self::try_from(Image::read(source)?)
    }

    /// The headers.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The sections of the base profile: those before the first `.profile`, in the table's order.
    pub fn sections(&self) -> &[Section] {
        self.image.sections.get(..self.base).unwrap_or_default()
    }

    /// The section of that name in the base profile.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections().iter().find(|section| section.name == name)
    }

    /// The bytes of the file that are the content of that section, without padding.
    pub fn range(&self, name: &str) -> Option<Range<u64>> {
        self.section(name).map(Section::range)
    }

    /// The bytes of the file that are the kernel.
    pub fn linux(&self) -> Range<u64> {
        self.linux.clone()
    }

    /// The content of a small section, at most [`MAX_TEXT`](super::MAX_TEXT) bytes, without NULs and
    /// line ends at its end; `None` when there is no such section.
    pub fn text(&self, source: &mut (impl Read + Seek), name: &str) -> Result<Option<String>, Error> {
        let Some(section) = self.section(name) else { return Ok(None) };
        let content = section.read(source)?;
        let text = String::from_utf8_lossy(&content);
        Ok(Some(text.trim_end_matches(['\0', '\n']).to_owned()))
    }
}

impl TryFrom<Image> for Uki {
    type Error = Error;

    fn try_from(image: Image) -> Result<Self, Error> {
        let profile = image.sections.iter().position(|section| section.name == ".profile");
        let base = profile.unwrap_or(image.sections.len());
        let linux = image.sections.iter().take(base).find(|section| section.name == ".linux");
        let linux = linux.filter(|section| section.size() > 0).ok_or(Error::NotUki(".linux"))?.range();
        Ok(Self { image, base, linux })
    }
}

/// Which systemd-stub a PE file is, by its section `.sdmagic`:
/// `#### LoaderInfo: systemd-stub 252.39-1~deb12u2 ####`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StubVersion {
    /// The version as it stands there.
    pub text: String,
    /// The number that it starts with.
    pub major: u32,
}

impl StubVersion {
    /// Finds the version of a stub that lies in memory; `None` when it is none of systemd's.
    pub fn of(image: &Image, stub: &[u8]) -> Option<Self> {
        let Range { start, end } = image.section(".sdmagic")?.range();
        let magic = stub.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)?;
        let text = std::str::from_utf8(magic).ok()?.trim_end_matches('\0');
        let text = text.strip_prefix("#### LoaderInfo: systemd-stub ")?.strip_suffix(" ####")?.to_owned();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let major = text.get(..digits)?.parse().ok()?;
        Some(Self { text, major })
    }

    /// Whether the stub passes a section `.ucode` on, as the first initrd: systemd 256 and later do.
    pub fn knows_ucode(&self) -> bool {
        self.major >= 256
    }
}
