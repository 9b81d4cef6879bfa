//! What `bootwright inspect` reads and how long it takes: an 8 GiB qcow2 with a GPT, in that an EFI system
//! partition and an ext4 root, in the partition a UKI. There is no peer; the aims are absolute.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::{Context, Row, median};
use crate::{Result, images, shell};

/// How often it runs; the median counts.
const RUNS: usize = 21;

/// Bytes of the image that may be read.
const BYTES: f64 = 512.0 * 1024.0;

const MILLISECONDS: f64 = 20.0;

/// Makes the disk by the tools of others: $1 is where, $2 the UKI.
const MAKE: &str = r#"set -e
    PATH=$PATH:/usr/sbin:/sbin
    cd "$1" && rm -f esp disk.raw disk.qcow2
    truncate -s 512M esp && mkfs.fat -F 32 -n ESP esp >/dev/null
    mmd -i esp ::EFI ::EFI/BOOT && mcopy -i esp "$2" ::EFI/BOOT/BOOTX64.EFI
    truncate -s 8G disk.raw
    sgdisk -n 1:2048:+512M -t 1:ef00 -n 2:0:0 -t 2:8304 disk.raw >/dev/null
    dd if=esp of=disk.raw bs=1M seek=1 conv=notrunc,sparse status=none
    mke2fs -q -t ext4 -E offset=$((513 << 20)) disk.raw 7678M
    qemu-img convert -O qcow2 disk.raw disk.qcow2
    rm esp disk.raw"#;

/// Measures bytes read, by strace, and time.
pub fn run(context: &Context) -> Result<Vec<Row>> {
    let uki = images::build(&context.bootwright, "hello", "hello")?.join("image.efi");
    let mut make = Command::new("sh");
    make.args(["-c", MAKE, "sh"]).arg(&context.scratch).arg(&uki);
    shell::run("a disk of 8 GiB", &mut make)?;
    let disk = context.scratch.join("disk.qcow2");
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        let told = shell::output(Command::new(&context.bootwright).arg("inspect").arg(&disk))?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        if !told.contains("unified kernel image") {
            return Err(format!("inspect did not find the UKI: {told}"));
        }
    }
    let (time, bytes) = (median(times), bytes_read(context, &disk)? as f64);
    let what = "inspect of a qcow2 of 8 GiB with GPT, ESP, UKI";
    Ok(vec![
        Row {
            what: format!("{what}: bytes read"),
            ours: format!("{:.0} KiB", bytes / 1024.0),
            peer: "the aim: 512 KiB".to_owned(),
            ratio: bytes / BYTES,
            aim: "≤ 512 KiB",
            met: bytes <= BYTES,
        },
        Row {
            what: format!("{what}: time"),
            ours: format!("{time:.1} ms"),
            peer: "the aim: 20 ms".to_owned(),
            ratio: time / MILLISECONDS,
            aim: "≤ 20 ms",
            met: time <= MILLISECONDS,
        },
    ])
}

/// What the reads of the disk gave, added up: `pread64(3</…/disk.qcow2>, ""..., 4096, 0) = 4096`.
fn bytes_read(context: &Context, disk: &Path) -> Result<u64> {
    let trace = context.scratch.join("trace");
    let mut strace = Command::new("strace");
    strace.args([
        "-f",
        "-y",
        "-s",
        "0",
        "-e",
        "trace=read,readv,pread64,preadv,preadv2,mmap,sendfile,splice",
        "-o",
    ]);
    strace.arg(&trace).arg(&context.bootwright).arg("inspect").arg(disk);
    shell::output(&mut strace)?;
    let text = std::fs::read_to_string(&trace).map_err(|error| format!("{}: {error}", trace.display()))?;
    let name = format!("<{}>", disk.display());
    let ours = text.lines().filter(|line| line.contains(&name));
    if let Some(other) = ours.clone().find(|line| !line.contains("read")) {
        return Err(format!("the disk is read in a way that is not counted: {other}"));
    }
    let given =
        ours.filter_map(|line| line.rsplit_once(" = ")?.1.split_whitespace().next()?.parse::<u64>().ok());
    Ok(given.sum())
}
