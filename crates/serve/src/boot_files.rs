//! What firmware fetches by TFTP, and programs of the distribution that are served beside the images:
//! iPXE and memtest86+.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootwright_netboot::arch::{Cpu, Firmware};
use bootwright_netboot::dhcp::server::Loader;
use bootwright_netboot::ipxe;

use crate::images::{Body, Catalogue, Entity, content_type};
use crate::tftp::{Content, Files};

/// Where distributions put iPXE: Debian's `ipxe`, Fedora's `ipxe-bootimgs-*`, Arch's and openSUSE's.
const PLACES: [&str; 5] =
    ["/usr/lib/ipxe", "/usr/share/ipxe", "/boot/ipxe", "/usr/share/ipxe/x86_64", "/usr/lib/ipxe/qemu"];

/// A kind of iPXE and the names that it has in distributions, best first.
struct Kind {
    firmware: Firmware,
    cpu: Cpu,
    /// Its path for TFTP clients.
    path: &'static str,
    names: &'static [&'static str],
}

impl Kind {
    /// The files that it may be, best first.
    fn candidates<'a>(&'a self, places: &'a [PathBuf]) -> impl Iterator<Item = PathBuf> + 'a {
        let paths = self.names.iter().flat_map(move |name| places.iter().map(move |place| place.join(name)));
        paths.filter(|path| path.is_file())
    }
}

/// Where the iPXE for that kind of machine is installed, for those who only want to know.
pub fn installed_ipxe(firmware: Firmware, cpu: Cpu) -> Option<PathBuf> {
    let places = PLACES.map(PathBuf::from);
    let kind = KINDS.iter().find(|kind| kind.firmware == firmware && kind.cpu == cpu)?;
    kind.candidates(&places).next()
}

/// Where memtest86+ is installed.
pub fn installed_memtest() -> Option<PathBuf> {
    MEMTEST.iter().flat_map(|(.., paths)| *paths).map(PathBuf::from).find(|path| path.is_file())
}

/// snponly uses the firmware's own driver, which is the safe choice; undionly is the same for a BIOS.
const KINDS: [Kind; 4] = [
    Kind {
        firmware: Firmware::Bios,
        cpu: Cpu::X86,
        path: "undionly.kpxe",
        names: &["undionly.kpxe", "ipxe.pxe"],
    },
    Kind {
        firmware: Firmware::Uefi,
        cpu: Cpu::X86_64,
        path: "snponly-x86_64.efi",
        names: &[
            "snponly-x86_64.efi",
            "ipxe-snponly-x86_64.efi",
            "x86_64-efi/snponly.efi",
            "snponly.efi",
            "ipxe-x86_64.efi",
            "x86_64-efi/ipxe.efi",
            "ipxe.efi",
        ],
    },
    Kind {
        firmware: Firmware::Uefi,
        cpu: Cpu::Aarch64,
        path: "snponly-arm64.efi",
        names: &[
            "snponly-arm64.efi",
            "arm64-efi/snponly.efi",
            "ipxe-snponly-arm64.efi",
            "arm64-efi/ipxe.efi",
        ],
    },
    Kind {
        firmware: Firmware::Uefi,
        cpu: Cpu::X86,
        path: "snponly-i386.efi",
        names: &["snponly-i386.efi", "i386-efi/snponly.efi", "ipxe-i386.efi", "i386-efi/ipxe.efi"],
    },
];

/// memtest86+ as Debian and Fedora install it.
const MEMTEST: [(Firmware, &str, &[&str]); 2] = [
    (Firmware::Bios, "/memtest.bin", &["/boot/memtest86+x64.bin", "/boot/memtest86+-x86_64.bin"]),
    (Firmware::Uefi, "/memtest.efi", &["/boot/memtest86+x64.efi", "/boot/efi/memtest86+x64.efi"]),
];

/// iPXE binaries that were found.
#[derive(Debug, Clone, Default)]
pub struct Loaders {
    /// For the DHCP server.
    pub loaders: Vec<Loader>,
    files: BTreeMap<String, Arc<File>>,
}

impl Loaders {
    /// Looks for them in `directory`, when one is given, or where distributions put them.
    pub fn find(directory: Option<&Path>) -> Self {
        let places: Vec<PathBuf> = match directory {
            Some(directory) => vec![directory.to_owned()],
            None => PLACES.iter().map(PathBuf::from).collect(),
        };
        let mut found = Self::default();
        for kind in &KINDS {
            let Some(file) = kind.candidates(&places).find_map(|path| File::open(path).ok()) else {
                continue;
            };
            found.files.insert(kind.path.to_owned(), Arc::new(file));
            let path = kind.path.to_owned();
            found.loaders.push(Loader { firmware: kind.firmware, cpu: kind.cpu, path });
        }
        found
    }

    /// Whether there is one for that kind of machine.
    pub fn has(&self, firmware: Firmware, cpu: Cpu) -> bool {
        self.loaders.iter().any(|loader| loader.firmware == firmware && loader.cpu == cpu)
    }
}

/// memtest86+, by the path in URLs and the firmware it is for.
pub fn memtest() -> Vec<(Firmware, &'static str, Entity)> {
    let open = |(firmware, url, paths): &(Firmware, &'static str, &[&str])| {
        let file = paths.iter().find_map(|path| File::open(path).ok())?;
        let metadata = file.metadata().ok()?;
        let modified = metadata.modified().ok()?;
        let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let entity = Entity {
            etag: format!("\"{}-{}\"", metadata.len(), since.as_nanos()),
            modified,
            content_type: content_type(url),
            body: Body::File { file: Arc::new(file), offset: 0, length: metadata.len() },
        };
        Some((*firmware, *url, entity))
    };
    MEMTEST.iter().filter_map(open).collect()
}

/// The tree that TFTP clients see: iPXE, `autoexec.ipxe`, and `NAME/FILE` of every image.
pub struct TftpTree {
    catalogue: Arc<Catalogue>,
    loaders: Loaders,
    autoexec: Arc<[u8]>,
}

impl TftpTree {
    /// `server` is scheme and authority of our URLs.
    pub fn new(catalogue: Arc<Catalogue>, loaders: Loaders, server: &str) -> Self {
        Self { catalogue, loaders, autoexec: ipxe::ask(server).into_bytes().into() }
    }
}

impl Files for TftpTree {
    fn open(&self, path: &str, _client: Ipv4Addr) -> Option<Content> {
        if path == "autoexec.ipxe" {
            return Some(Content::Bytes(Arc::clone(&self.autoexec)));
        }
        if let Some(file) = self.loaders.files.get(path) {
            let length = file.metadata().ok()?.len();
            return Some(Content::File { file: Arc::clone(file), offset: 0, length });
        }
        let (name, file) = path.split_once('/')?;
        let image = self.catalogue.image(name)?;
        Some(match image.entity(file)?.body.clone() {
            Body::Memory(bytes) => Content::Bytes(bytes.to_vec().into()),
            Body::File { file, offset, length } => Content::File { file, offset, length },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{image, uki};

    #[test]
    fn tftp_clients_see_loaders_and_images_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("snponly.efi"), b"snp").unwrap();
        std::fs::write(place.path().join("secret"), b"x").unwrap();
        let loaders = Loaders::find(Some(place.path()));
        assert!(loaders.has(Firmware::Uefi, Cpu::X86_64) && !loaders.has(Firmware::Bios, Cpu::X86));
        let catalogue = Catalogue::open(vec![image(place.path(), "worker_1", b"root")]).unwrap().0;
        let tree = TftpTree::new(Arc::new(catalogue), loaders, "http://10.0.0.1");
        let size = |path: &str| tree.open(path, Ipv4Addr::LOCALHOST).map(|content| content.size());
        assert_eq!(size("snponly-x86_64.efi"), Some(3));
        assert_eq!(size("worker_1/image.efi"), Some(uki().len() as u64));
        assert!(size("worker_1/image.json").is_some() && size("autoexec.ipxe").is_some());
        for path in ["secret", "snponly.efi", "worker_1", "worker_1/absent", "undionly.kpxe"] {
            assert_eq!(size(path), None, "{path}");
        }
    }
}
