//! Everything out of one root tree, UKI, raw disk, ISO and qcow2, beside a script of the usual programs: mkfs.erofs,
//! ukify, mkfs.vfat and mtools, systemd-repart, xorriso, qemu-img. And all of it again after a new command line.
//!
//! The root comes as a tar, so that no packages are installed while the clock runs; the script is given the kernel and
//! our initrd, so that it makes none. Both make the same file system with the same compressor. Not beside mkosi: the one
//! of Debian 12 and of PyPI is version 14, which builds in a container of its own as root.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::measure::seconds;
use super::{Context, Row, Usage, measure, root, uki};
use crate::{Result, debian13, shell};

/// How often each runs; the median counts.
const RUNS: usize = 3;

/// What the root has.
const PACKAGES: &str = "linux-image-amd64,systemd-sysv,udev,dbus,openssh-server,python3,vim";

const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";

/// Measures the times.
pub fn run(context: &Context) -> Result<Vec<Row>> {
    let scratch = &context.scratch;
    root::debian(scratch, PACKAGES)?;
    let (output, cache) = (scratch.join("image"), scratch.join("cache"));
    let (mut ours, mut again, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..RUNS {
        for directory in [&output, &cache] {
            clear(directory)?;
        }
        ours.push(build(context, "quiet")?);
        again.push(build(context, &format!("quiet run={run}"))?);
    }
    parts(context, &output)?;
    for _ in 0..RUNS {
        clear(&scratch.join("peer"))?;
        theirs.push(peer(scratch)?);
    }
    let (ours_time, again_time, theirs_time) = (seconds(&ours), seconds(&again), seconds(&theirs));
    let row = |what: &str, time: f64, (peer, figure): (&str, f64), limit: f64, aim| Row {
        what: what.to_owned(),
        ours: format!("{time:.2} s"),
        peer: format!("{peer}: {figure:.2} s"),
        ratio: time / figure,
        aim,
        met: time <= limit * figure,
    };
    let all = "tar to EROFS, UKI, raw disk, ISO and qcow2, on the disk";
    let script = ("mkfs.erofs, ukify, systemd-repart, xorriso, qemu-img", theirs_time);
    Ok(vec![
        row(all, ours_time, script, 1.0 / 3.0, "≤ 0.33"),
        row("the same after a new command line", again_time, ("all of it", ours_time), 0.05, "≤ 0.05"),
        row("the same after a new command line", again_time, ("the script", theirs_time), 0.05, "none"),
    ])
}

fn clear(directory: &Path) -> Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    }
    shell::output(&mut Command::new("sync")).map(drop)
}

/// A build with that command line.
fn build(context: &Context, cmdline: &str) -> Result<Usage> {
    let scratch = &context.scratch;
    let recipe = format!(
        "name = 'image'\nformat = 'erofs'\ncompression = 'lz4'\n[root]\nsource = 'tar'\npath = 'root.tar'\n\
         [kernel]\ncmdline = '{cmdline}'\n[initrd]\nprofile = 'generic'\n\
         [output]\nbios = false\nformats = ['raw', 'iso', 'qcow2']\n"
    );
    let path = scratch.join("bootwright.toml");
    fs::write(&path, recipe).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut command = Command::new(&context.bootwright);
    command.arg("build").arg(&path).arg("-o").arg(scratch.join("image"));
    command.arg("--cache").arg(scratch.join("cache")).env("SOURCE_DATE_EPOCH", "1700000000");
    measure(&command)
}

/// Kernel and initrd for the script.
fn parts(context: &Context, image: &Path) -> Result<()> {
    let iso = image.join("image.iso");
    for file in ["linux", "initrd"] {
        let to = context.scratch.join(file);
        let mut command = Command::new("xorriso");
        command.args(["-report_about", "SORRY", "-osirrox", "on", "-indev"]).arg(&iso);
        command.args(["-extract", &format!("/boot/{file}")]).arg(&to).arg("-rollback_end");
        shell::run(&format!("take out the {file}"), &mut command)?;
    }
    Ok(())
}

/// The script. ESP and root are copied in as blocks: systemd-repart of Debian 12 formats through loop devices, which
/// take root.
const SCRIPT: &str = r#"set -e
    cd "$1"; mkfs=$2; ukify=$3; stub=$4; here=$PWD
    mkdir -p peer/tree/EFI/BOOT peer/tree/boot peer/tree/bootwright repart.d; cd peer
    "$mkfs" --quiet --workers=2 -C65536 -z lz4hc,12 --tar=f root.img ../root.tar
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
        --no-pager disk.raw > /dev/null
    ln image.efi tree/EFI/BOOT/BOOTX64.EFI
    ln root.img tree/bootwright/root.img
    ln ../linux tree/boot/linux 2> /dev/null || cp ../linux tree/boot/linux
    ln ../initrd tree/boot/initrd 2> /dev/null || cp ../initrd tree/boot/initrd
    ln esp.img tree/boot/efi.img
    (cd tree && sha256sum EFI/BOOT/BOOTX64.EFI bootwright/root.img > SHA256SUMS)
    xorriso -as mkisofs -quiet -R -J -joliet-long -V BENCH -o image.iso \
        -e boot/efi.img -no-emul-boot -isohybrid-gpt-basdat tree
    qemu-img convert -f raw -O qcow2 disk.raw disk.qcow2
    sha256sum image.efi root.img disk.raw image.iso disk.qcow2 > sums
    sync root.img image.efi disk.raw image.iso disk.qcow2"#;

fn peer(scratch: &Path) -> Result<Usage> {
    let mkfs = debian13::erofs_utils()?.join("mkfs.erofs");
    let ukify = uki::fetch_ukify(scratch)?;
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT, "sh"]).arg(scratch).arg(mkfs).arg(ukify).arg(STUB);
    measure(&command)
}
