//! raw → each format beside qemu-img: a disk of 8 GiB with 2 GiB of data.
//!
//! qemu-img leaves its output in the page cache; we do not end before it is on the disk. So the peer is
//! qemu-img and sync(1) of its output.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use super::{Context, Row, measure, median};
use crate::Result;

/// How often each runs, in turns; the median counts. What is not compressed takes as long as the disk wants.
const COMPRESSED_RUNS: usize = 3;
const PLAIN_RUNS: usize = 5;

const SIZE: u64 = 8 << 30;
/// The data lie in pieces of this length, one at the start of each fourfold of it.
const PIECE: u64 = 64 << 20;

/// Our options, QEMU's, and whether clusters are compressed.
const CONVERSIONS: &[(&str, &[&str], &[&str], bool)] = &[
    ("raw", &["--to", "raw"], &["-O", "raw"], false),
    ("qcow2", &["--to", "qcow2"], &["-O", "qcow2"], false),
    ("vmdk", &["--to", "vmdk"], &["-O", "vmdk"], false),
    ("vhd", &["--to", "vhd"], &["-O", "vpc"], false),
    ("vhdx", &["--to", "vhdx"], &["-O", "vhdx"], false),
    ("vdi", &["--to", "vdi"], &["-O", "vdi"], false),
    ("qcow2, zlib", &["--to", "qcow2", "--compress", "zlib"], &["-c", "-O", "qcow2"], true),
    (
        "qcow2, zstd",
        &["--to", "qcow2", "--compress", "zstd"],
        &["-c", "-O", "qcow2", "-o", "compression_type=zstd"],
        true,
    ),
    ("vmdk stream", &["--to", "vmdk-stream"], &["-O", "vmdk", "-o", "subformat=streamOptimized"], true),
];

/// Measures the time of each conversion.
pub fn run(context: &Context) -> Result<Vec<Row>> {
    let disk = context.scratch.join("disk.raw");
    make(&disk).map_err(|error| format!("{}: {error}", disk.display()))?;
    let (ours, theirs) = (context.scratch.join("ours"), context.scratch.join("theirs"));
    let mut rows = Vec::new();
    for (name, our_options, their_options, compressed) in CONVERSIONS {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..if *compressed { COMPRESSED_RUNS } else { PLAIN_RUNS } {
            let mut bootwright = Command::new(&context.bootwright);
            bootwright.arg("convert").args(*our_options).arg(&disk).arg(&ours);
            times[0].push(measure(&bootwright)?.wall.as_secs_f64());
            times[1].push(measure(&qemu_img(their_options, &disk, &theirs))?.wall.as_secs_f64());
        }
        let [ours_s, theirs_s] = times.map(median);
        let (aim, limit) = if *compressed { ("≥ 1.5", 1.5) } else { ("≥ 1.0", 1.0) };
        let ratio = theirs_s / ours_s;
        rows.push(Row {
            what: format!("convert raw to {name}, 8 GiB with 2 GiB of data: rate"),
            ours: format!("{ours_s:.2} s, {:.0} MB", stored(&ours)?),
            peer: format!("qemu-img and sync: {theirs_s:.2} s, {:.0} MB", stored(&theirs)?),
            ratio,
            aim,
            met: ratio >= limit,
        });
    }
    for path in [&ours, &theirs] {
        std::fs::remove_file(path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(rows)
}

fn qemu_img(options: &[&str], disk: &Path, output: &Path) -> Command {
    let script =
        r#"disk=$1 output=$2; shift 2; qemu-img convert -f raw "$@" "$disk" "$output" && sync "$output""#;
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(disk).arg(output).args(options);
    command
}

/// MB of the file.
fn stored(path: &Path) -> Result<f64> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(metadata.blocks() as f64 * 512.0 / 1e6)
}

/// Makes the disk once: half of the data is noise, half repeats itself, as in a system's root.
fn make(path: &Path) -> std::io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() == SIZE) {
        return Ok(());
    }
    let file = File::create(path)?;
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut piece = vec![0; PIECE as usize];
    for start in (0..SIZE).step_by(4 * PIECE as usize) {
        for (number, word) in piece.chunks_exact_mut(8).enumerate() {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let noise = number / 4096 % 2 == 0;
            let value = if noise { state } else { number as u64 / 3 % 1000 };
            word.copy_from_slice(&value.to_le_bytes());
        }
        file.write_all_at(&piece, start)?;
    }
    // Last, so that a disk of this length is whole.
    file.set_len(SIZE)?;
    file.sync_all()
}
