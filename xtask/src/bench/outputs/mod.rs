//! Everything out of one root tree, UKI, raw disk, ISO and qcow2, beside [`mkosi`] and beside a [`script`] of the usual
//! programs. And all of it again after a new command line.
//!
//! The root comes as a tar, so that no packages are installed while the clock runs; what they take is measured too, since
//! it is a part of a whole build. Both peers are given the kernel and our initrd, so that they make none. All three make
//! the same file system with the same compressor and level.

mod mkosi;
mod script;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::measure::seconds;
use super::{Context, Row, Usage, measure, root};
use crate::{Result, shell};

/// How often each runs; the median counts.
const RUNS: usize = 3;

/// What the root has; the stub is what mkosi looks for in it.
const PACKAGES: &str = "linux-image-amd64,systemd-sysv,udev,dbus,openssh-server,python3,vim,systemd-boot-efi";

/// What both peers do at the end: the ISO around a UKI, root and ESP that are there, a qcow2 of the disk, digests, and all
/// of it on the disk. In `peer`, with the UKI as `image.efi`.
const REST: &str = r#"
    mkdir -p tree/EFI/BOOT tree/boot tree/bootwright
    size=$(( ($(stat -c %s image.efi) * 2 / 1048576 + 64) / 64 * 64 + 64 ))
    [ -e esp.img ] || {
        truncate -s "${size}M" esp.img
        mkfs.vfat -n ESP esp.img > /dev/null
        mmd -i esp.img ::EFI ::EFI/BOOT
        mcopy -i esp.img image.efi ::EFI/BOOT/BOOTX64.EFI
    }
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

/// Measures the times.
pub fn run(context: &Context) -> Result<Vec<Row>> {
    let scratch = &context.scratch;
    let packages = install(scratch)?;
    let (output, cache) = (scratch.join("image"), scratch.join("cache"));
    let (mut ours, mut again) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        for directory in [&output, &cache] {
            clear(directory)?;
        }
        ours.push(build(context, "quiet")?);
        again.push(build(context, &format!("quiet run={run}"))?);
    }
    take_out(scratch, &output)?;
    let (ours, again) = (seconds(&ours), seconds(&again));
    let all = "tar to EROFS, UKI, raw disk, ISO and qcow2, on the disk";
    let mut rows = Vec::new();
    if mkosi::is_possible()? {
        let theirs = repeat(scratch, &mkosi::prepare(scratch)?)?;
        rows.push(row(all, ours, ("mkosi, xorriso, qemu-img", theirs), Some(3.0)));
    } else {
        println!("   mkosi is left out: it is run in a root of its own by chroot(2), which takes root");
    }
    let theirs = repeat(scratch, &script::prepare(scratch)?)?;
    rows.push(row(all, ours, ("mkfs.erofs, ukify, systemd-repart, xorriso, qemu-img", theirs), None));
    let whole = ours + packages;
    rows.push(row(
        "the same after a new command line",
        again,
        ("all of it, with its packages", whole),
        Some(20.0),
    ));
    rows.push(row("the same after a new command line", again, ("all of it, from the tar", ours), None));
    Ok(rows)
}

/// A row of times; `aim` is how many times faster ours has to be.
fn row(what: &str, ours: f64, (peer, theirs): (&str, f64), aim: Option<f64>) -> Row {
    Row {
        what: what.to_owned(),
        ours: format!("{ours:.2} s"),
        peer: format!("{peer}: {theirs:.2} s"),
        ratio: ours / theirs,
        aim: match aim {
            Some(3.0) => "≤ 0.33",
            Some(_) => "≤ 0.05",
            None => "none",
        },
        met: aim.is_none_or(|aim| ours * aim <= theirs),
    }
}

/// Makes the root's tar anew; the seconds that its packages take.
fn install(scratch: &Path) -> Result<f64> {
    let tar = scratch.join("root.tar");
    if tar.exists() {
        fs::remove_file(&tar).map_err(|error| format!("{}: {error}", tar.display()))?;
    }
    let start = Instant::now();
    root::debian(scratch, PACKAGES)?;
    Ok(start.elapsed().as_secs_f64())
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

/// Kernel and initrd for the peers.
fn take_out(scratch: &Path, image: &Path) -> Result<()> {
    let iso = image.join("image.iso");
    for file in ["linux", "initrd"] {
        let mut command = Command::new("xorriso");
        command.args(["-report_about", "SORRY", "-osirrox", "on", "-indev"]).arg(&iso);
        command.args(["-extract", &format!("/boot/{file}")]).arg(scratch.join(file)).arg("-rollback_end");
        shell::run(&format!("take out the {file}"), &mut command)?;
    }
    Ok(())
}

/// The seconds that a peer takes for all of it, from nothing.
fn repeat(scratch: &Path, peer: &Command) -> Result<f64> {
    let mut usages = Vec::new();
    for _ in 0..RUNS {
        clear(&scratch.join("peer"))?;
        usages.push(measure(peer)?);
    }
    Ok(seconds(&usages))
}
