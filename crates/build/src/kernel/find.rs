use std::path::{Path, PathBuf};

use bootwright_formats::pe::{self, Machine};

use super::version;
use crate::initrd::Config;
use crate::source::deb::DebError;
use crate::tool::{Tool, ToolError};
use crate::tree::{Content, DirectoryError, EditError, Inode, Kind, Tree, TreePath};

/// The program that computes what modules depend on.
const DEPMOD: Tool = Tool { program: "depmod", package: "kmod" };

/// The largest kernel image in bytes: those of distributions have under 20 MB.
const MAX_KERNEL: u64 = 512 << 20;

/// The largest configuration in bytes: a distribution's has 300 kB.
const MAX_CONFIG: u64 = 16 << 20;

/// A kernel with what belongs to it.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// `uname -r`.
    pub version: String,
    /// The machine it is for, as the kernel and Rust call it: `x86_64`, `aarch64`, …
    pub architecture: &'static str,
    /// The bootable image.
    pub image: Content,
    /// What is in `lib/modules/VERSION`.
    pub modules: Tree,
    /// The configuration, where there is one.
    pub config: Option<Config>,
}

/// Why there is no kernel.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// None at all.
    #[error(
        "{place} has no kernel: neither /boot/vmlinuz-VERSION nor /usr/lib/modules/VERSION/vmlinuz; {advice}"
    )]
    NoKernel {
        /// Where it was looked for.
        place: String,
        /// What to do.
        advice: &'static str,
    },
    /// A kernel and no modules for it.
    #[error("the kernel {version} has no modules: {place} lacks /lib/modules/{version}")]
    NoModules {
        /// The kernel.
        version: String,
        /// Where they were looked for.
        place: String,
    },
    /// Not the one asked for.
    #[error("there is no kernel {wanted}; there are: {}", .found.join(", "))]
    NotThatVersion {
        /// As the recipe says.
        wanted: String,
        /// What there is.
        found: Vec<String>,
    },
    /// The directory's name is the version.
    #[error("{0} is no modules directory: its name must be the kernel's version, as in lib/modules/6.12.0")]
    ModulesName(PathBuf),
    /// The image is nothing that UEFI can start.
    #[error("the kernel {version} is no EFI application: take one that was built with CONFIG_EFI_STUB")]
    NoEfi {
        /// The kernel.
        version: String,
        /// What its head says.
        #[source]
        source: pe::Error,
    },
    /// For a machine that has no name.
    #[error("the kernel is for {0}, a machine that is not known")]
    Architecture(String),
    /// A file of the host.
    #[error("reading {path} failed")]
    Host {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The root.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The modules' directory.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The package.
    #[error(transparent)]
    Deb(#[from] DebError),
    /// depmod.
    #[error(transparent)]
    Tool(#[from] ToolError),
}

impl Kernel {
    /// Finds kernel and modules in a tree, `place` in messages: the wanted version or the newest.
    pub fn find(tree: &Tree, place: &str, wanted: Option<&str>) -> Result<Self, KernelError> {
        let advice = "add a package such as linux-image-amd64, or set `source` in [kernel]";
        let no_kernel = || KernelError::NoKernel { place: place.to_owned(), advice };
        let mut found = images(tree)?;
        found.sort_by(|(a, _), (b, _)| version::compare(a, b));
        let (version, path) = match wanted {
            None => found.pop().ok_or_else(no_kernel)?,
            Some(wanted) => {
                let names = found.iter().map(|(version, _)| version.clone()).collect();
                let missing = || KernelError::NotThatVersion { wanted: wanted.to_owned(), found: names };
                found.into_iter().find(|(version, _)| version == wanted).ok_or_else(missing)?
            }
        };
        let Some(Inode { kind: Kind::File(image), .. }) = tree.get(&path) else { return Err(no_kernel()) };
        let modules = tree.subtree(&module_directory(tree, &version)?)?;
        if !modules.iter().any(|(path, _)| is_module(path.name())) {
            return Err(KernelError::NoModules { version, place: place.to_owned() });
        }
        let config = config(tree, &version)?;
        Self { architecture: "", image: image.clone(), modules, config, version }.recognise(Path::new(place))
    }

    /// Takes kernel and modules from files of the host.
    pub fn from_paths(image: &Path, modules: &Path, config: Option<&Path>) -> Result<Self, KernelError> {
        let host = |path: &Path| {
            let path = path.to_owned();
            move |source| KernelError::Host { path, source }
        };
        let name = modules.file_name().and_then(|name| name.to_str());
        let version = name.ok_or_else(|| KernelError::ModulesName(modules.to_owned()))?.to_owned();
        let metadata = std::fs::metadata(image).map_err(host(image))?;
        let content = Content::host(image, &metadata);
        let mut tree = Tree::from_directory(modules)?;
        tree.own_by_root();
        if !tree.iter().any(|(path, _)| is_module(path.name())) {
            return Err(KernelError::NoModules { version, place: modules.display().to_string() });
        }
        let config = match config {
            Some(path) => {
                let text = read_config(path).map_err(host(path))?;
                Some(Config::parse(&path.display().to_string(), &text))
            }
            None => None,
        };
        Self { version, architecture: "", image: content, modules: tree, config }.recognise(image)
    }

    /// Whether `modules.dep` and its like are missing: packages leave them to the machine that they are
    /// installed on.
    pub fn lacks_indexes(&self) -> bool {
        !self.modules.iter().any(|(path, _)| path.as_bytes() == b"modules.dep")
    }

    /// Makes the missing indexes with depmod(8) and puts them into the directory `to`; `work` is an empty
    /// directory.
    pub fn make_indexes(&self, work: &Path, to: &Path) -> Result<(), KernelError> {
        let directory = work.join("lib/modules").join(&self.version);
        let fail = |source| KernelError::Host { path: directory.clone(), source };
        self.modules.unpack(&TreePath::ROOT, &directory).map_err(fail)?;
        let mut command = DEPMOD.command();
        command.arg("-b").arg(work).arg(&self.version);
        DEPMOD.run(&mut command, None, &|line| tracing::debug!(line, "depmod"))?;
        for entry in std::fs::read_dir(&directory).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let known = self.modules.iter().any(|(path, _)| path.as_bytes() == name.as_bytes());
            if path.is_file() && !known {
                std::fs::copy(&path, to.join(name)).map_err(fail)?;
            }
        }
        Ok(())
    }

    /// Takes the indexes that [`make_indexes`](Self::make_indexes) put into `directory`, dated `mtime`.
    pub fn add_indexes(&mut self, directory: &Path, mtime: u64) -> Result<(), KernelError> {
        let mut indexes = Tree::from_directory(directory)?;
        indexes.own_by_root();
        indexes.clamp_times(mtime);
        self.modules.graft(&indexes, &TreePath::ROOT, &TreePath::ROOT)?;
        Ok(())
    }

    /// Finds out what machine the image is for: every kernel that UEFI can start is a PE file.
    fn recognise(mut self, place: &Path) -> Result<Self, KernelError> {
        let image = self.image.read(MAX_KERNEL);
        let image = image.map_err(|source| KernelError::Host { path: place.to_owned(), source })?;
        let unknown = |source| KernelError::NoEfi { version: self.version.clone(), source };
        let image = pe::Image::read(&mut std::io::Cursor::new(image)).map_err(unknown)?;
        self.architecture = match image.machine {
            Machine::X64 => "x86_64",
            Machine::Arm64 => "aarch64",
            Machine::RiscV64 => "riscv64",
            Machine::LoongArch64 => "loongarch64",
            other @ Machine::Other(_) => return Err(KernelError::Architecture(other.to_string())),
        };
        Ok(self)
    }
}

/// Kernel images by version: Debian's and Red Hat's old place, and the newer one beside the modules.
fn images(tree: &Tree) -> Result<Vec<(String, TreePath)>, EditError> {
    let mut found = Vec::new();
    let boot = tree.resolve(&"/boot".parse()?)?;
    for (path, inode) in tree.below(&boot) {
        let name = path.below(&boot).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default();
        let version = ["vmlinuz-", "vmlinux-", "Image-"].iter().find_map(|prefix| name.strip_prefix(prefix));
        if let (Some(version), Kind::File(_)) = (version, &inode.kind) {
            found.push((version.to_owned(), path.clone()));
        }
    }
    let modules = module_directory(tree, "")?;
    for (path, inode) in tree.below(&modules) {
        let name = path.below(&modules).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default();
        if let (Some(version), Kind::File(_)) = (name.strip_suffix("/vmlinuz"), &inode.kind)
            && !version.contains('/')
            && found.iter().all(|(other, _)| other != version)
        {
            found.push((version.to_owned(), path.clone()));
        }
    }
    Ok(found)
}

/// Where a tree has, or would have, the modules of that version: a root with a merged /usr need not have
/// the link from `/lib`.
pub fn module_directory(tree: &Tree, version: &str) -> Result<TreePath, EditError> {
    let lib = tree.resolve(&"/lib".parse()?)?;
    let base = if tree.get(&lib).is_some() { "/lib/modules" } else { "/usr/lib/modules" };
    tree.resolve(&format!("{base}/{version}").parse()?)
}

fn config(tree: &Tree, version: &str) -> Result<Option<Config>, EditError> {
    for place in [format!("/boot/config-{version}"), format!("/lib/modules/{version}/config")] {
        if let Some(text) = tree.read(&place.parse()?)? {
            return Ok(Some(Config::parse(&place, &String::from_utf8_lossy(&text))));
        }
    }
    Ok(None)
}

fn is_module(name: &[u8]) -> bool {
    [".ko", ".ko.xz", ".ko.zst", ".ko.gz"].iter().any(|end| name.ends_with(end.as_bytes()))
}

fn read_config(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_CONFIG).read_to_string(&mut text)?;
    Ok(text)
}
