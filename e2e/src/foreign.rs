//! Images of others: made by their tools, served by nginx, booted by an initrd that pins nothing.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;

use bootwright_formats::initrd;
use bootwright_image::Digester;
use bootwright_vm::uki::Parts;

use crate::{Scenario, done};

/// Where [`Scenario::nginx_of_files`] has its files.
pub const FILES: &str = "http://10.77.0.3/images";

/// A root of three files: busybox, and an init that tells what it was booted from and switches the machine off.
const SMALL_TREE: &str = r#"mkdir -p tree/sbin tree/bin tree/etc
cp /bin/busybox tree/bin/busybox
ln -s ../bin/busybox tree/bin/sh
chmod 4755 tree/bin/busybox
cat > tree/sbin/init <<'INIT'
#!/bin/sh
b=/bin/busybox
echo "proof: PID $$, busybox is $($b stat -c %a:%u:%h $b), / is $($b awk '$2 == "/" { print $3 }' /proc/mounts | $b tail -n 1)"
$b ls -l /dev/mapper 2>/dev/null; $b cat /sys/block/dm-0/dm/uuid 2>/dev/null
$b poweroff -f
INIT
chmod 755 tree/sbin/init
"#;

/// The same as a disk image by mkfs.ext4 and systemd-repart, the second partition with a dm-verity tree behind it.
const SMALL_DISK: &str = r#"truncate -s 16M root.ext4
fakeroot mkfs.ext4 -q -d tree root.ext4
mkdir defs
printf '[Partition]\nType=linux-generic\nSizeMinBytes=1M\nSizeMaxBytes=1M\n' > defs/10-other.conf
printf '[Partition]\nType=root\nCopyBlocks=%s/root.ext4\nVerity=data\nVerityMatchKey=root\n' "$PWD" > defs/20-root.conf
printf '[Partition]\nType=root-verity\nVerity=hash\nVerityMatchKey=root\n' > defs/30-verity.conf
systemd-repart --empty=create --size=auto --dry-run=no --definitions=defs --json=short image.raw > partitions.json
grep -o '"roothash":"[0-9a-f]*"' partitions.json | head -n 1 | cut -d '"' -f 4 > roothash
"#;

/// A key of its own that signs the root hash, `NAME.cpio` to be put behind an initrd that is to know it, and the definition
/// of the partition with the signature.
const SIGNER: &str = r#"for name in builder stranger; do
    openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=$name -days 2 -keyout $name.key -out $name.crt 2> openssl.log
    mkdir -p $name/etc/verity.d
    cp $name.crt $name/etc/verity.d/
    (cd $name && find etc | cpio --quiet -o -H newc) > $name.cpio
done
printf '[Partition]\nType=root-verity-sig\nVerity=signature\nVerityMatchKey=root\n' > defs/40-signature.conf
rm image.raw
systemd-repart --empty=create --size=auto --dry-run=no --definitions=defs --private-key=builder.key \
    --certificate=builder.crt image.raw
"#;

/// The same tree as a `/usr` of its own, with its dm-verity, and beside it a root with nothing but links into it.
const SMALL_USR: &str = r#"mkdir links
mv tree usr
for name in bin sbin; do ln -s usr/$name links/$name; done
for name in dev etc proc run sys tmp usr; do mkdir -p links/$name; done
rmdir usr/etc
truncate -s 16M usr.ext4
fakeroot mkfs.ext4 -q -d usr usr.ext4
mksquashfs links links.squashfs -quiet -all-root
mkdir defs
printf '[Partition]\nType=usr\nCopyBlocks=%s/usr.ext4\nVerity=data\nVerityMatchKey=usr\n' "$PWD" > defs/10-usr.conf
printf '[Partition]\nType=usr-verity\nVerity=hash\nVerityMatchKey=usr\n' > defs/20-verity.conf
printf '[Partition]\nType=root\nCopyBlocks=%s/links.squashfs\n' "$PWD" > defs/30-root.conf
systemd-repart --empty=create --size=auto --dry-run=no --definitions=defs --json=short image.raw > partitions.json
grep -o '"roothash":"[0-9a-f]*"' partitions.json | head -n 1 | cut -d '"' -f 4 > usrhash
"#;

/// The same tree as btrfs by mkfs.btrfs and as XFS by mkfs.xfs, each all of a file.
const OTHER_FILE_SYSTEMS: &str = r#"mkdir -p tree/dev tree/proc tree/sys tree/run tree/tmp
truncate -s 128M root.btrfs
fakeroot mkfs.btrfs -q --rootdir tree root.btrfs
cat > proto <<'PROTO'
/none
0 0
d--755 0 0
bin d--755 0 0
busybox -u-755 0 0 tree/bin/busybox
sh l--777 0 0 busybox
$
sbin d--755 0 0
init ---755 0 0 tree/sbin/init
$
etc d--755 0 0
$
dev d--755 0 0
$
proc d--755 0 0
$
sys d--755 0 0
$
run d--755 0 0
$
tmp d--777 0 0
$
$
PROTO
truncate -s 320M root.xfs
mkfs.xfs -q -p proto root.xfs
zstd -q -1 --rm root.btrfs root.xfs
"#;

impl Scenario {
    /// Runs a script of sh in the scenario's directory `files`, which [`nginx_of_files`](Self::nginx_of_files) serves.
    pub fn making(self, script: &str) -> Self {
        let files = self.files();
        done("making a directory", fs::create_dir_all(&files));
        let output = Command::new("sh").args(["-euc", script]).current_dir(&files).output();
        let output = done("running sh", output);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "making an image of others: {said}");
        self
    }

    /// Makes `tree`, a root of three files.
    pub fn making_small_tree(self) -> Self {
        self.making(SMALL_TREE)
    }

    /// Makes `image.raw`, a disk with that tree, and `roothash`, the root hash of its dm-verity.
    pub fn making_small_disk(self) -> Self {
        self.making_small_tree().making(SMALL_DISK)
    }

    /// The same with the root hash signed by `builder`; the initrd that boots knows the certificate in `builder.cpio` or
    /// `stranger.cpio` when it is [added](Self::boot_unpinned_with).
    pub fn making_small_signed_disk(self) -> Self {
        self.making_small_disk().making(SIGNER)
    }

    /// Makes `root.btrfs.zst` and `root.xfs.zst`.
    pub fn making_other_file_systems(self) -> Self {
        self.making_small_tree().making(OTHER_FILE_SYSTEMS)
    }

    /// Makes `image.raw`, a disk with a `/usr` of its own, and `usrhash`, the root hash of its dm-verity.
    pub fn making_small_usr(self) -> Self {
        self.making_small_tree().making(SMALL_USR)
    }

    /// The text of a file that was made.
    pub fn made(&self, name: &str) -> String {
        done("reading what was made", fs::read_to_string(self.files().join(name))).trim().to_owned()
    }

    /// The SHA-256 of a file that was made, in hexadecimal digits.
    pub fn digest_of_made(&self, name: &str) -> String {
        let mut digester = Digester::default();
        let mut file = done("opening what was made", fs::File::open(self.files().join(name)));
        done("reading what was made", std::io::copy(&mut file, &mut digester));
        digester.finish().hex()
    }

    /// A real nginx at 10.77.0.3 that has what was made at [`FILES`].
    pub fn nginx_of_files(self) -> Self {
        let files = self.files();
        self.nginx_of(&files, "listen 80;", "")
    }

    /// Boots the UKI's kernel and initrd directly; without the segment of the initrd that pins an image.
    pub fn boot_unpinned(self, append: &str, memory: u32) -> Self {
        self.boot_unpinned_with(&[], append, memory)
    }

    /// The same with archives that were made behind the initrd.
    pub fn boot_unpinned_with(mut self, archives: &[&str], append: &str, memory: u32) -> Self {
        let parts = done("taking the UKI apart", Parts::extract(&self.image().join("image.efi")));
        take_the_pin_out(&parts.initrd);
        for archive in archives {
            let mut initrd = done("reading an initrd", fs::read(&parts.initrd));
            initrd.resize(initrd.len().next_multiple_of(4), 0);
            initrd.extend(done("reading an archive", fs::read(self.files().join(archive))));
            done("writing an initrd", fs::write(&parts.initrd, initrd));
        }
        let builder = self.direct(&parts, append).memory(memory);
        self.parts.push(parts);
        self.boot_machine(builder)
    }

    fn files(&self) -> PathBuf {
        self.directory().join("files")
    }
}

/// Takes the segment that pins an image out of an initrd; it has one of its own.
fn take_the_pin_out(path: &Path) {
    let bytes = done("reading an initrd", fs::read(path));
    let mut reader = initrd::Reader::new(&bytes[..]);
    let mut pins = None;
    while let Some(entry) = done("reading an initrd", reader.next_entry()) {
        if entry.path() == b"bootwright/pin.json" {
            pins = Some(entry.segment());
        }
    }
    let segments = reader.segments();
    let Some(pin) = pins.and_then(|pins| segments.get(pins)) else { panic!("the initrd has no pin") };
    assert!(pin.entries <= 2, "the pin has a segment of its own, with its directory");
    let mut initrd = done("opening an initrd", fs::File::open(path));
    let mut rest = Vec::new();
    done("reading an initrd", initrd.by_ref().take(pin.offset).read_to_end(&mut rest));
    done("reading an initrd", initrd.seek(SeekFrom::Start(pin.offset + pin.length)));
    rest.resize(rest.len().next_multiple_of(4), 0);
    done("reading an initrd", initrd.read_to_end(&mut rest));
    done("writing an initrd", fs::write(path, rest));
}
