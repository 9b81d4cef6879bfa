//! The one list of distribution packages that the commands need, and their installation.

use std::process::{Command, Stdio};

use crate::{Result, shell};

/// What a package is needed for; each includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// `cargo xtask demo`, and bootwright itself when it builds and boots images.
    Demo,
    /// `cargo xtask test`: judges that others wrote.
    Test,
    /// `cargo xtask bench`: the peers.
    Bench,
}

/// Debian package, since when it is needed, what for. Of several names the first one that the release has.
const PACKAGES: &[(&str, Need, &str)] = &[
    ("gcc", Need::Demo, "the linker that Rust uses"),
    ("libc6-dev", Need::Demo, "the C library that the agent links statically"),
    ("curl", Need::Demo, "asks the server's API inside a machine network"),
    ("grub-common", Need::Test, "grub-mkimage, for disks and ISOs that a BIOS boots"),
    ("grub-pc-bin", Need::Test, "GRUB for a BIOS"),
    ("iproute2", Need::Demo, "bridge and taps in a private network namespace"),
    ("ipxe", Need::Demo, "undionly.kpxe and snponly.efi for PXE clients"),
    ("mmdebstrap", Need::Demo, "Debian root file systems without root"),
    ("ovmf", Need::Demo, "UEFI firmware for virtual machines"),
    ("qemu-system-x86", Need::Demo, "virtual machines"),
    ("squashfs-tools", Need::Demo, "writes squashfs; unsquashfs judges it"),
    ("systemd-boot-efi", Need::Demo, "the stub of a UKI"),
    ("uidmap", Need::Demo, "newuidmap, for mmdebstrap without root"),
    ("util-linux", Need::Demo, "unshare and nsenter"),
    ("xz-utils", Need::Demo, "compressed packages"),
    ("zstd", Need::Demo, "compressed packages"),
    ("android-sdk-libsparse-utils", Need::Test, "img2simg"),
    ("aria2", Need::Test, "a BitTorrent client; reads torrents"),
    ("7zip", Need::Test, "judges ISO images"),
    ("acl", Need::Test, "setfacl: what a root writer cannot keep"),
    ("atftp", Need::Test, "a TFTP client with windowsize"),
    ("attr", Need::Test, "setfattr and getfattr"),
    ("b3sum", Need::Test, "judges content digests"),
    ("binutils", Need::Test, "objdump judges PE files"),
    ("btrfs-progs", Need::Test, "mkfs.btrfs"),
    ("busybox-static", Need::Test, "a second init to kexec into"),
    ("bzip2", Need::Test, "an initramfs compression we only name"),
    ("chrony", Need::Test, "a time server"),
    ("cpio", Need::Test, "judges initramfs archives"),
    ("cryptsetup-bin", Need::Test, "cryptsetup; veritysetup judges dm-verity trees"),
    ("device-tree-compiler", Need::Test, "dtc, for FIT"),
    ("dnsmasq-base", Need::Test, "a DHCP server beside our proxy"),
    ("dosfstools", Need::Test, "fsck.fat"),
    ("e2fsprogs", Need::Test, "mkfs.ext4"),
    ("docker-registry", Need::Test, "a registry that others wrote"),
    ("erofs-utils", Need::Test, "mkfs.erofs; what judges our own images comes from Debian 13, see debian13"),
    ("fakeroot", Need::Test, "owners of files in images of others"),
    ("fdisk", Need::Test, "sfdisk judges partition tables"),
    ("genisoimage", Need::Test, "isoinfo and mkisofs judge ISO images"),
    ("gdisk", Need::Test, "sgdisk judges GPT"),
    ("isc-dhcp-client", Need::Test, "a DHCP client"),
    ("kea-admin", Need::Test, "perfdhcp, a fleet of DHCP clients"),
    ("kmod", Need::Test, "depmod and modinfo"),
    ("libarchive-tools", Need::Test, "bsdtar judges ISO images"),
    ("librsvg2-bin", Need::Test, "rsvg-convert judges charts"),
    ("libxml2-utils", Need::Test, "xmllint judges OVF descriptors"),
    ("lz4", Need::Test, "judges lz4 frames"),
    ("mkbootimg", Need::Test, "Android boot images"),
    ("mktorrent", Need::Test, "makes torrents"),
    ("mtools", Need::Test, "FAT images without mounting"),
    ("nginx-light", Need::Test, "a mirror that others wrote; the HTTP peer"),
    ("network-manager", Need::Test, "nmcli judges the connections that are handed to NetworkManager"),
    ("ntfs-3g", Need::Test, "mkfs.ntfs"),
    ("openssl", Need::Test, "a key for sbsign"),
    ("parted", Need::Test, "judges GPT with sectors of 4096 bytes"),
    ("python3", Need::Test, "small outside servers"),
    ("python3-libtorrent", Need::Test, "a BitTorrent client; reads and makes torrents"),
    ("python3-libvhdi", Need::Test, "judges differencing VHD and VHDX"),
    ("python3-openssl", Need::Test, "FTPS in python3-pyftpdlib"),
    ("python3-pefile", Need::Test, "judges PE files"),
    ("python3-pyftpdlib", Need::Test, "an FTP server"),
    ("qemu-utils", Need::Test, "qemu-img and qemu-io judge disk formats; qemu-nbd serves a root"),
    ("sbsigntool", Need::Test, "sbsign and sbverify judge PE files"),
    ("shellcheck", Need::Test, "our shell scripts"),
    ("skopeo", Need::Test, "OCI images that others wrote, and those of registries"),
    ("systemd-container", Need::Test, "systemd-dissect judges discoverable disk images"),
    (
        "systemd-repart|systemd",
        Need::Test,
        "systemd-repart judges discoverable disk images; Debian 12 has it in systemd",
    ),
    ("tftp-hpa", Need::Test, "a TFTP client"),
    ("tinyproxy", Need::Test, "a proxy"),
    ("transmission-cli", Need::Test, "a BitTorrent client; reads and makes torrents"),
    ("u-boot-tools", Need::Test, "mkimage and dumpimage judge FIT and uImage"),
    ("udhcpc", Need::Test, "a DHCP client"),
    ("wimtools", Need::Test, "wimlib-imagex"),
    ("xfsprogs", Need::Test, "mkfs.xfs"),
    ("zbar-tools", Need::Test, "zbarimg reads QR codes"),
    ("xorriso", Need::Test, "judges ISO images"),
    ("umoci", Need::Test, "OCI images that others wrote"),
    ("dracut-core", Need::Bench, "initrd peer"),
    ("dracut-live", Need::Bench, "livenet, the agent's peer"),
    ("dracut-network", Need::Bench, "livenet, the agent's peer"),
    ("initramfs-tools-core", Need::Bench, "initrd peer"),
    ("kea-dhcp4-server", Need::Bench, "DHCP peer"),
    ("strace", Need::Bench, "counts what inspect reads"),
    ("opentracker", Need::Test, "a tracker, over HTTP and UDP"),
    ("tftpd-hpa", Need::Bench, "TFTP peer"),
    ("time", Need::Bench, "wall time and peak memory of a command"),
];

/// Installs what is missing, with sudo when not root, and says so.
pub fn install(need: Need) -> Result<()> {
    if !shell::has("dpkg-query") || !shell::has("apt-get") {
        return explain_elsewhere(need);
    }
    let missing: Vec<&str> = wanted(need).filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("── installing {} packages: {}", missing.len(), missing.join(" "));
    let sudo: &[&str] = if is_root()? {
        &[]
    } else {
        println!("   with sudo, since you are not root");
        &["sudo"]
    };
    apt_get(sudo, &["update", "-q"])?;
    let mut install = vec!["install", "-q", "-y", "--no-install-recommends"];
    install.extend(missing.iter().copied().map(first_available));
    apt_get(sudo, &install)
}

fn wanted(need: Need) -> impl Iterator<Item = &'static str> {
    PACKAGES.iter().filter(move |(_, since, _)| *since <= need).map(|(package, ..)| *package)
}

/// Other systems: say what is wanted, and go on only if the programs seem to be there.
fn explain_elsewhere(need: Need) -> Result<()> {
    let programs = ["qemu-system-x86_64", "mmdebstrap", "sqfstar", "unshare", "nsenter", "ip", "curl"];
    let missing: Vec<&str> = programs.into_iter().filter(|program| !shell::has(program)).collect();
    if missing.is_empty() {
        println!("── not a Debian system: taking the programs that are installed");
        return Ok(());
    }
    let mut text = format!(
        "this is not a Debian system, so packages have to be installed by hand; missing: {}. \
         The Debian packages and what they are for:",
        missing.join(", ")
    );
    for (package, _, purpose) in PACKAGES.iter().filter(|(_, since, _)| *since <= need) {
        text.push_str(&format!("\n  {package:18} {purpose}"));
    }
    Err(text)
}

/// One of the names `package` has.
fn is_installed(package: &str) -> bool {
    package.split('|').any(|name| {
        let query = ["-W", "-f=${Status}", name];
        let output = Command::new("dpkg-query").args(query).stderr(Stdio::null()).output();
        output.is_ok_and(|output| output.stdout.ends_with(b" installed"))
    })
}

/// The first of the names of `package` that this release has; the last one when it has none.
fn first_available(package: &str) -> &str {
    let known = |name: &&str| {
        let show = Command::new("apt-cache").args(["show", name]).stderr(Stdio::null()).output();
        show.is_ok_and(|output| !output.stdout.is_empty())
    };
    package.split('|').find(known).or(package.rsplit('|').next()).unwrap_or(package)
}

fn is_root() -> Result<bool> {
    Ok(shell::output(&mut shell::command("id", &["-u"]))?.trim() == "0")
}

fn apt_get(sudo: &[&str], arguments: &[&str]) -> Result<()> {
    let words = [sudo, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"], arguments].concat();
    let Some((program, rest)) = words.split_first() else { return Ok(()) };
    let title = format!("apt-get {}", arguments.first().unwrap_or(&""));
    shell::run(&title, shell::command(program, rest).stdout(Stdio::null()))
}
