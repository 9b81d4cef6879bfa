//! The recipe as it is written: one struct per table, every value with its place in the text.
//!
//! The doc comments here are the reference of the format; `docs/recipe.md` repeats them with examples.

use serde::Deserialize;
use toml::Spanned;

use super::{Compression, Profile};
use crate::media;

type Text = Spanned<String>;
type Texts = Vec<Spanned<String>>;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recipe {
    /// The image's name: letters, digits, `.`, `_`, `-`, `+`, `~`.
    pub name: Text,
    /// `ram` (default): the machine fetches the root and boots from memory. `stream`: it boots at once and fetches
    /// what is read. `embed`: the root is inside the UKI. `disk`: it is kept on a disk of the machine.
    #[serde(default)]
    pub mode: Option<Spanned<Mode>>,
    /// The root file system: `squashfs` (default) or `erofs`.
    #[serde(default)]
    pub format: Format,
    /// `zstd`, `xz`, `lz4` or `gzip`; default: the best that the kernel can read.
    pub compression: Option<Spanned<Compression>>,
    /// Where machines find the image: the URL of its `image.json`, or of its directory with a `/` behind.
    /// Default: they ask by DHCP.
    pub url: Option<Text>,
    /// `erofs`: a text file of paths, one a line, whose data comes first in the image, in that order.
    pub order: Option<Text>,
    /// Whether a dm-verity tree follows the root, in the same file.
    #[serde(default)]
    pub verity: bool,
    /// The host name of the machines.
    pub hostname: Option<Text>,
    /// `LANG`, for example `C.UTF-8`.
    pub locale: Option<Text>,
    /// A shell script that runs inside the root, unprivileged, with the host's network. What it does
    /// depends on the day it runs: the image is then no longer reproducible.
    pub script: Option<Text>,
    /// What the machine does when it cannot boot: `reboot` (default), `shell` or `poweroff`, with
    /// `,SECONDS` to wait before.
    pub on_failure: Option<Text>,
    /// Whether machines take the root from each other, too.
    pub peers: Option<Spanned<bool>>,
    /// How long a machine gives its root to others once its system runs: `off`, `30m`, `2h`.
    pub seed: Option<Text>,
    /// The most that a machine gives to others, in bytes a second: `20M`.
    pub upload: Option<Text>,
    /// Mode `disk`: where roots are kept, and whether a partition may be made for them: `bootwright.cache=`.
    pub cache: Option<Text>,
    /// Mode `disk`: how long the origin is waited for before what is kept boots without it; default: for ever.
    pub offline: Option<Text>,
    /// Mode `disk`: SHA-256 of the `root.json` of earlier images, of which one that was good boots when this one fails.
    #[serde(default)]
    pub fallback: Texts,
    /// URLs of directories that hold copies of the image's files: they go into its torrent.
    #[serde(default)]
    pub mirrors: Texts,
    /// Where the root comes from.
    pub root: Spanned<Root>,
    /// Kernel, modules, command line.
    #[serde(default)]
    pub kernel: Option<Spanned<Kernel>>,
    /// What goes into the initrd.
    #[serde(default)]
    pub initrd: Initrd,
    /// Single files put into the root.
    #[serde(default)]
    pub files: Vec<Spanned<File>>,
    /// Directories laid over the root.
    #[serde(default)]
    pub trees: Vec<Tree>,
    /// Users made or changed.
    #[serde(default)]
    pub users: Vec<User>,
    /// systemd units.
    #[serde(default)]
    pub units: Units,
    /// Disks and ISOs.
    #[serde(default)]
    pub output: Output,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    #[default]
    Ram,
    Stream,
    Embed,
    Disk,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    #[default]
    Squashfs,
    Erofs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RootSource {
    Debian,
    Tar,
    Directory,
    Oci,
}

/// `[root]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Root {
    /// `debian`, `tar`, `directory` or `oci`.
    pub source: RootSource,
    /// `tar`, `directory`, `oci`: the archive or directory, relative to the recipe.
    pub path: Option<Text>,
    /// `oci`: the image's name in a registry, in place of `path`.
    pub image: Option<Text>,
    /// `oci`: the name of the image, when the layout or archive has several.
    pub reference: Option<Text>,
    /// `debian`: the release, for example `trixie`.
    pub suite: Option<Text>,
    /// `debian`: packages beside those of the variant.
    pub packages: Option<Spanned<Texts>>,
    /// `debian`: `["main"]` by default.
    pub components: Option<Spanned<Texts>>,
    /// `debian`: the mirror's URL; by default the host's own.
    pub mirror: Option<Text>,
    /// `debian`: the keyring for `mirror`; by default Debian's archive keyring.
    pub keyring: Option<Text>,
    /// `debian`: mmdebstrap's variant, `apt` by default.
    pub variant: Option<Text>,
    /// Paths left out of the root: `*` matches anything, slashes too.
    #[serde(default)]
    pub exclude: Texts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum KernelSource {
    #[default]
    Root,
    Deb,
    Paths,
}

/// `[kernel]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kernel {
    /// `root` (default), `deb` or `paths`.
    #[serde(default)]
    pub source: KernelSource,
    /// The version to take when there are several.
    pub version: Option<Text>,
    /// `deb`: the package, relative to the recipe.
    pub path: Option<Text>,
    /// `paths`: the kernel image.
    pub image: Option<Text>,
    /// `paths`: the directory `lib/modules/VERSION`.
    pub modules: Option<Text>,
    /// `paths`: the kernel's configuration.
    pub config: Option<Text>,
    /// The kernel command line.
    pub cmdline: Option<Text>,
    /// Whether `/boot` stays in the root; by default it does not.
    #[serde(default)]
    pub keep_boot: bool,
}

/// `[initrd]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Initrd {
    /// `network` (default), `generic` or `host`.
    pub profile: Option<Spanned<Profile>>,
    /// Further files.
    #[serde(default)]
    pub add: Vec<InitrdFile>,
    /// Early microcode: a cpio archive, such as distributions' `intel-ucode.img`.
    pub microcode: Option<Text>,
}

/// An entry of `add` in `[initrd]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InitrdFile {
    /// The file on the host, relative to the recipe.
    pub from: Text,
    /// Where it lies in the initrd.
    pub path: Text,
}

/// `[[files]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Where it goes.
    pub path: Text,
    /// Its text; either this or `from`.
    pub content: Option<Text>,
    /// A file on the host, relative to the recipe.
    pub from: Option<Text>,
    /// Octal, as text: `"0755"`.
    pub mode: Option<Text>,
    /// `USER:GROUP`, names or numbers; default `root:root`.
    pub owner: Option<Text>,
}

/// `[[trees]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tree {
    /// A directory on the host, relative to the recipe.
    pub from: Text,
    /// Where its contents go; default `/`.
    pub path: Option<Text>,
    /// `USER:GROUP` for everything in it; default `root:root`.
    pub owner: Option<Text>,
}

/// `[[users]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct User {
    /// The login name; `root` or another existing user is changed, a new one is made.
    pub name: Text,
    /// The user id; default: the next free one from 1000 on.
    pub uid: Option<Spanned<u32>>,
    /// Further groups; those that are missing are made.
    #[serde(default)]
    pub groups: Texts,
    /// Lines for `~/.ssh/authorized_keys`.
    #[serde(default)]
    pub ssh_keys: Texts,
    /// A hash as `mkpasswd` prints it; the empty text lets everybody in; without it no password works.
    pub password_hash: Option<Text>,
    /// The login shell.
    pub shell: Option<Text>,
    /// The home directory; default `/home/NAME`.
    pub home: Option<Text>,
}

/// `[units]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Units {
    /// Units that start at boot, as `systemctl enable` does it.
    #[serde(default)]
    pub enable: Texts,
    /// Units that can't be started, as `systemctl mask` does it.
    #[serde(default)]
    pub mask: Texts,
}

/// `[output]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Output {
    /// `raw`, `iso`, `qcow2`, `vmdk`, `vhd`, `vhdx`, `vdi`.
    #[serde(default)]
    pub formats: Vec<media::Format>,
    /// Whether a BIOS boots them; by default when GRUB is installed.
    pub bios: Option<bool>,
    /// The size of disks: `"8G"`, `"512M"`; by default as large as their content.
    pub disk_size: Option<Text>,
    /// Bytes of the disks' sectors, 512 (default) or 4096.
    pub sector_size: Option<Spanned<u32>>,
    /// With `verity`: who signs the root hash, for a partition of its own.
    pub signature: Option<Spanned<Signature>>,
    /// Partitions of disks behind the root.
    #[serde(default)]
    pub partitions: Vec<Partition>,
}

/// `signature` in `[output]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signature {
    /// The private key in PEM, relative to the recipe.
    pub key: Text,
    /// Its certificate in PEM, relative to the recipe.
    pub certificate: Text,
}

/// `[[output.partitions]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Partition {
    /// `swap`, `data`, `home`, `srv`, `var` or `tmp`.
    #[serde(rename = "type")]
    pub purpose: media::Purpose,
    /// `"512M"`, `"8G"`.
    pub size: Text,
    /// The name of partition and file system; by default the type.
    pub label: Option<Text>,
    /// `ext4` (default), `fat` or `none`; `swap` of the type swap.
    pub format: Option<Spanned<media::FileSystem>>,
    /// Whether the file system grows with its partition; the last one only.
    pub grow: Option<Spanned<bool>>,
}
