//! The usual programs in a script: mkfs.erofs, ukify, mkfs.vfat and mtools, systemd-repart, xorriso, qemu-img.

use std::path::Path;
use std::process::Command;

use super::REST;
use crate::bench::uki;
use crate::{Result, debian13};

const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";

/// ESP and root are copied in as blocks: systemd-repart of Debian 12 formats through loop devices, which take root.
const SCRIPT: &str = r#"set -e
    cd "$1"; mkfs=$2; ukify=$3; stub=$4; here=$PWD
    mkdir -p peer repart.d; cd peer
    "$mkfs" --quiet --workers=2 -C65536 -z lz4hc,9 --tar=f root.img ../root.tar
    /usr/bin/python3 "$ukify" build --linux ../linux --initrd ../initrd --stub "$stub" --cmdline quiet --uname 6 \
        --os-release ID=bench --output image.efi
    size=$(( ($(stat -c %s image.efi) * 2 / 1048576 + 64) / 64 * 64 + 64 ))
    truncate -s "${size}M" esp.img
    mkfs.vfat -n ESP esp.img > /dev/null
    mmd -i esp.img ::EFI ::EFI/BOOT
    mcopy -i esp.img image.efi ::EFI/BOOT/BOOTX64.EFI
    printf '[Partition]\nType=esp\nCopyBlocks=%s\n' "$PWD/esp.img" > ../repart.d/10-esp.conf
    printf '[Partition]\nType=root\nCopyBlocks=%s\n' "$PWD/root.img" > ../repart.d/20-root.conf
    root=$(( $(stat -c %s root.img) / 1048576 + 4 ))
    systemd-repart --dry-run=no --empty=create --size="$((size + root + 4))M" --definitions="$here/repart.d" \
        --no-pager disk.raw > /dev/null"#;

/// The script, ready to run.
pub fn prepare(scratch: &Path) -> Result<Command> {
    let mkfs = debian13::erofs_utils()?.join("mkfs.erofs");
    let ukify = uki::fetch_ukify(scratch)?;
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{SCRIPT}\n{REST}"), "sh"]).arg(scratch).arg(mkfs).arg(ukify).arg(STUB);
    Ok(command)
}
