//! What is made of UKI and root.

use bootwright_formats::gpt::SectorSize;
use toml::Spanned;

use super::{Checker, Text, is_word};
use crate::media::{DataPartition, FileSystem, Growth, Purpose, Signer};
use crate::recipe::{Bios, Output, raw};

/// What GPT has room for.
const MAX_LABEL: usize = 36;

impl Checker {
    pub(super) fn output(&mut self, output: raw::Output, verity: bool) -> Output {
        let sector = self.sector(&output);
        let disk_size = output.disk_size.map(|text| self.size(&text));
        let bios = match output.bios {
            None => Bios::WhenPossible,
            Some(true) => Bios::Always,
            Some(false) => Bios::Never,
        };
        let last = output.partitions.len().saturating_sub(1);
        let partitions = output.partitions.into_iter().enumerate();
        Output {
            formats: output.formats.into_iter().collect(),
            bios,
            disk_size,
            sector,
            signer: output.signature.map(|signature| self.signer(signature, verity)),
            partitions: partitions.map(|(index, new)| self.partition(new, index == last)).collect(),
        }
    }

    /// Disks with sectors of 4096 bytes: no BIOS boots them, and only some formats can hold them.
    fn sector(&mut self, output: &raw::Output) -> SectorSize {
        let Some(size) = &output.sector_size else { return SectorSize::B512 };
        match size.get_ref() {
            512 => return SectorSize::B512,
            4096 => {}
            _ => self.problem(size.span(), "sectors of disks have 512 or 4096 bytes".to_owned()),
        }
        if output.bios == Some(true) {
            let text = "no BIOS boots disks with sectors of 4096 bytes: say bios = false";
            self.problem(size.span(), text.to_owned());
        }
        for format in output.formats.iter().filter(|format| !format.takes_4kn()) {
            let text = format!("{} holds disks with sectors of 512 bytes alone", format.name());
            self.problem(size.span(), text);
        }
        SectorSize::B4096
    }

    fn signer(&mut self, signature: Spanned<raw::Signature>, verity: bool) -> Signer {
        if !verity {
            self.problem(signature.span(), "a signature is of the root hash: say verity = true".to_owned());
        }
        let signature = signature.into_inner();
        Signer {
            key: self.directory.join(signature.key.into_inner()),
            certificate: self.directory.join(signature.certificate.into_inner()),
        }
    }

    fn partition(&mut self, new: raw::Partition, last: bool) -> DataPartition {
        let swap = new.purpose == Purpose::Swap;
        let content = match (new.format, swap) {
            (None, true) => FileSystem::Swap,
            (None, false) => FileSystem::Ext4,
            (Some(format), _) => {
                if (*format.get_ref() == FileSystem::Swap) != swap {
                    self.problem(format.span(), "format swap and type swap belong together".to_owned());
                }
                format.into_inner()
            }
        };
        if let Some(label) = &new.label {
            self.label(label, content);
        }
        let grow = new.grow.filter(|grow| *grow.get_ref());
        if let Some(grow) = &grow {
            self.grow(grow, content, last);
        }
        DataPartition {
            purpose: new.purpose,
            size: self.size(&new.size),
            label: new.label.map_or_else(|| new.purpose.name().to_owned(), Spanned::into_inner),
            content,
            growth: if grow.is_some() { Growth::Grows } else { Growth::Fixed },
        }
    }

    fn label(&mut self, label: &Text, content: FileSystem) {
        let longest = match content {
            FileSystem::Ext4 | FileSystem::Swap => 16,
            FileSystem::Fat => 11,
            FileSystem::None => MAX_LABEL,
        };
        let text = format!("this label is one word of at most {longest} ASCII letters, digits and signs");
        self.test(label, &text, |label| is_word(label) && label.is_ascii() && label.len() <= longest);
    }

    fn grow(&mut self, grow: &Spanned<bool>, content: FileSystem, last: bool) {
        if !last {
            self.problem(grow.span(), "only the last partition has room behind it to grow".to_owned());
        }
        if content != FileSystem::Ext4 {
            self.problem(grow.span(), "only ext4 is grown when it is mounted".to_owned());
        }
    }

    fn size(&mut self, text: &Text) -> u64 {
        size(text.get_ref()).unwrap_or_else(|| {
            self.problem(text.span(), "a size is a whole number of MiB or more, such as \"8G\"".into());
            0
        })
    }
}

/// Bytes of `512M`, `8G` or `1T`.
fn size(text: &str) -> Option<u64> {
    let shift = match text.chars().last()? {
        'M' => 20,
        'G' => 30,
        'T' => 40,
        _ => return None,
    };
    let number: u64 = text.get(..text.len() - 1)?.parse().ok()?;
    number.checked_mul(1 << shift).filter(|size| *size > 0)
}
