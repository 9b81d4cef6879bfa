//! The kernel's configuration: what it must have for the agent to run, and what it can unpack.

use std::collections::BTreeSet;

use bootwright_formats::compression::Compression;

use super::error::Error;
use super::tree::Tree;

/// What a kernel was built with, from its `config-VERSION` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it was read, for messages.
    source: String,
    /// Options that are `y` or `m`.
    options: BTreeSet<String>,
}

/// What no boot of ours does without. Modules are the selection's concern: these are only ever built in.
const NEEDED: &[(&str, &str)] = &[
    ("CONFIG_BLK_DEV_INITRD", "it could not unpack any initrd"),
    ("CONFIG_BINFMT_ELF", "it could not run the agent"),
    ("CONFIG_TMPFS", "the root is fetched into memory"),
    ("CONFIG_DEVTMPFS", "devices appear in it"),
    ("CONFIG_PROC_FS", "the command line is read there"),
    ("CONFIG_SYSFS", "devices are found there"),
    ("CONFIG_INET", "it has no network"),
];

/// What is best first: zstd is the smallest that unpacks fast.
const PREFERENCE: [Compression; 4] =
    [Compression::Zstd, Compression::Xz, Compression::Gzip, Compression::Lz4Legacy];

/// The first kernel that unpacks a zstd initrd.
const ZSTD_SINCE: (u32, u32) = (5, 9);

impl Config {
    /// Reads the file's text: `CONFIG_X=y` or `=m` counts, all else is absence.
    pub fn parse(source: &str, text: &str) -> Self {
        let set = |line: &str| {
            let (option, value) = line.trim().split_once('=')?;
            matches!(value, "y" | "m").then(|| option.to_owned())
        };
        Self { source: source.to_owned(), options: text.lines().filter_map(set).collect() }
    }

    /// Looks where distributions put it: `boot/config-VERSION`, `lib/modules/VERSION/config`.
    pub(super) fn find(tree: &dyn Tree, modules: &str, version: &str) -> Result<Option<Self>, Error> {
        for path in [format!("boot/config-{version}"), format!("{modules}/config")] {
            let bytes = tree.read(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
            if let Some(bytes) = bytes {
                return Ok(Some(Self::parse(&path, &String::from_utf8_lossy(&bytes))));
            }
        }
        Ok(None)
    }

    /// Whether the kernel has the option, built in or as a module.
    pub fn has(&self, option: &str) -> bool {
        self.options.contains(option)
    }

    /// Fails when the kernel lacks something that every boot of ours needs.
    pub(super) fn check(&self) -> Result<(), Error> {
        NEEDED.iter().try_for_each(|(option, why)| self.need(option, why))
    }

    fn need(&self, option: &str, why: &str) -> Result<(), Error> {
        if self.has(option) {
            return Ok(());
        }
        let (config, option, why) = (self.source.clone(), option.to_owned(), why.to_owned());
        Err(Error::KernelOption { config, option, why })
    }
}

/// How the initrd shall be compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// By what the kernel can unpack.
    Auto,
    /// So, if the kernel can unpack it.
    Fixed(Compression),
}

/// What was chosen, and what was taken for granted in choosing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) compression: Compression,
    /// A sentence, when there was no configuration to look at.
    pub(super) assumed: Option<String>,
}

impl Choice {
    pub(super) fn decide(self, config: Option<&Config>, version: &str) -> Result<Chosen, Error> {
        let reads = |compression: &Compression, config: &Config| {
            compression.kernel_option().is_none_or(|option| config.has(option))
        };
        let compression = match (self, config) {
            (Self::Auto, Some(config)) => {
                PREFERENCE.into_iter().find(|way| reads(way, config)).unwrap_or(Compression::None)
            }
            (Self::Auto, None) if version_pair(version) >= Some(ZSTD_SINCE) => Compression::Zstd,
            (Self::Auto, None) => Compression::Gzip,
            (Self::Fixed(way), config) => {
                if let (Some(option), Some(config)) = (way.kernel_option(), config) {
                    config.need(option, "it could not unpack the initrd; take --compression auto")?;
                }
                way
            }
        };
        let assumed = match (config, compression.kernel_option()) {
            (None, Some(option)) => Some(format!(
                "no configuration of kernel {version} was found: assumed that it has {option}=y"
            )),
            _ => None,
        };
        Ok(Chosen { compression, assumed })
    }
}

fn version_pair(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::parse("boot/config-6.1", text)
    }

    #[test]
    fn auto_takes_the_best_that_the_kernel_can_unpack() {
        let chosen = |text: &str| Choice::Auto.decide(Some(&config(text)), "6.1").unwrap().compression;
        assert_eq!(chosen("CONFIG_RD_GZIP=y\nCONFIG_RD_ZSTD=y\n"), Compression::Zstd);
        assert_eq!(chosen("CONFIG_RD_GZIP=y\n# CONFIG_RD_ZSTD is not set\n"), Compression::Gzip);
        assert_eq!(chosen(""), Compression::None);
    }

    #[test]
    fn without_a_configuration_the_version_decides_and_it_is_said() {
        let new = Choice::Auto.decide(None, "6.12.0-amd64").unwrap();
        assert_eq!(new.compression, Compression::Zstd);
        assert!(new.assumed.unwrap().contains("CONFIG_RD_ZSTD"));
        assert_eq!(Choice::Auto.decide(None, "5.8.1").unwrap().compression, Compression::Gzip);
        assert_eq!(Choice::Auto.decide(None, "odd").unwrap().compression, Compression::Gzip);
    }

    #[test]
    fn what_the_kernel_lacks_is_refused_by_name() {
        let error = Choice::Fixed(Compression::Zstd).decide(Some(&config("")), "6.1").unwrap_err();
        assert!(error.to_string().contains("CONFIG_RD_ZSTD"), "{error}");
        let error = config("CONFIG_BLK_DEV_INITRD=y\n").check().unwrap_err();
        assert!(error.to_string().contains("CONFIG_BINFMT_ELF"), "{error}");
    }
}
