//! A NoCloud seed: user data and meta data for cloud-init on a small medium of its own.
//!
//! Specification: cloud-init's documentation of the data source NoCloud. The volume is called `CIDATA` and has the
//! files `user-data`, `meta-data` and, when wanted, `network-config` in its root.

use std::sync::Arc;

use bootwright_formats::fat::{self, NewFile};
use bootwright_formats::iso9660::{self, Boot, Content, NewEntry};
use bootwright_formats::{Mosaic, Shared};
use bootwright_image::Digest;

use super::MediaError;

/// cloud-init looks for it in capitals and in small letters.
const LABEL: &str = "CIDATA";

/// What a seed is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeedMedium {
    /// An ISO, for a CD drive.
    Iso,
    /// A FAT volume, for a disk or a stick.
    Fat,
}

/// What cloud-init shall read.
#[derive(Debug, Clone, Default)]
pub struct Seed {
    /// `#cloud-config`, a script, or a multi-part message.
    pub user_data: Vec<u8>,
    /// `instance-id` and more; `None`: an id made of the other files, so that a changed seed is a new instance.
    pub meta_data: Option<Vec<u8>>,
    /// The network, version 1 or 2.
    pub network_config: Option<Vec<u8>>,
}

impl Seed {
    /// Lays the medium out; all files are dated `epoch`, in seconds since 1970.
    ///
    /// # Errors
    /// [`MediaError`] when a file is too large for the medium.
    pub fn lay_out(self, medium: SeedMedium, epoch: u64) -> Result<Mosaic, MediaError> {
        let meta_data = self.meta_data.clone().unwrap_or_else(|| self.instance().into_bytes());
        let mut files = vec![("meta-data", meta_data), ("user-data", self.user_data)];
        files.extend(self.network_config.map(|bytes| ("network-config", bytes)));
        let files = files.into_iter().map(|(path, bytes)| (path.to_owned(), Arc::new(bytes) as Shared));
        match medium {
            SeedMedium::Iso => {
                let entry = |(path, content)| NewEntry { path, content: Content::File(content) };
                let entries = files.map(entry).collect();
                let volume_id = LABEL.to_owned();
                let plan = iso9660::Plan { volume_id, epoch, entries, boot: Boot::default(), hybrid: None };
                Ok(plan.lay_out()?.image)
            }
            SeedMedium::Fat => {
                let files = files.map(|(path, content)| NewFile { path, content }).collect();
                let label = LABEL.to_owned();
                let plan = fat::Plan { label, serial: 0, epoch, size: None, start: 0, sector: 512, files };
                Ok(plan.lay_out()?.image)
            }
        }
    }

    fn instance(&self) -> String {
        let network = self.network_config.as_deref().unwrap_or_default();
        let digest = Digest::of(&[&self.user_data, &[0][..], network].concat()).hex();
        format!("instance-id: iid-{}\n", digest.get(..16).unwrap_or_default())
    }
}

/// Whether cloud-init takes these bytes for user data: it tells the kinds by their first line, and leaves what it
/// does not know alone, without a word on the console.
pub fn is_user_data(bytes: &[u8]) -> bool {
    const GZIP: &[u8] = &[0x1f, 0x8b];
    let begins = |prefix: &[u8]| bytes.starts_with(prefix);
    begins(b"#!")
        || begins(b"#cloud-")
        || begins(b"#include")
        || begins(b"#part-handler")
        || begins(b"## template:")
        || begins(b"Content-Type:")
        || begins(b"MIME-Version:")
        || begins(b"From ")
        || begins(GZIP)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bootwright_formats::ReadAt as _;
    use std::process::Command;

    #[test]
    fn blkid_finds_the_label_that_cloud_init_looks_for() {
        for (medium, kind) in [(SeedMedium::Iso, "iso9660"), (SeedMedium::Fat, "vfat")] {
            let seed = Seed { user_data: b"#cloud-config\n".to_vec(), ..Seed::default() };
            let image = seed.lay_out(medium, 0).unwrap();
            let mut bytes = vec![0; image.size() as usize];
            image.read_exact_at(0, &mut bytes).unwrap();
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), bytes).unwrap();
            let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
            let mut blkid = Command::new("blkid");
            blkid.args(["--probe", "--output", "export"]).arg(file.path()).env("PATH", path);
            let said = String::from_utf8(blkid.output().unwrap().stdout).unwrap();
            assert!(said.contains("\nLABEL=CIDATA\n"), "{said}");
            assert!(said.contains(&format!("\nTYPE={kind}\n")), "{said}");
        }
    }

    #[test]
    fn what_cloud_init_would_leave_alone_is_told() {
        assert!(is_user_data(b"#cloud-config\nhostname: a\n") && is_user_data(b"#!/bin/sh\n"));
        assert!(!is_user_data(b"hostname: a\n") && !is_user_data(b""));
    }
}
