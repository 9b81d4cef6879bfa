//! A UKI with a 512 MiB initrd, beside `cp` of the same bytes and ukify.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::measure::{fresh, seconds};
use super::{Context, Row};
use crate::{Result, debian13, shell};

const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
const INITRD: u64 = 512 << 20;
const MEMORY_AIM: u64 = 32 << 20;
/// How often the quick ones run; their median counts.
const RUNS: usize = 5;

/// Measures time and memory.
pub fn run(context: &Context) -> Result<Vec<Row>> {
    let initrd = initrd(&context.scratch)?;
    let ours_file = context.scratch.join("ours.efi");
    let copy = context.scratch.join("copy.efi");
    let (mut ours, mut cp, mut synced) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        ours.push(fresh(&ours_file, &bootwright(context, &initrd, &ours_file))?);
        cp.push(fresh(&copy, Command::new("cp").arg(&ours_file).arg(&copy))?);
        let script = r#"cp "$1" "$2" && sync "$2""#;
        synced.push(fresh(&copy, Command::new("sh").args(["-c", script, "sh"]).arg(&ours_file).arg(&copy))?);
    }
    let ukify_file = context.scratch.join("ukify.efi");
    let ukify = fresh(&ukify_file, &ukify(&context.scratch, &initrd, &ukify_file)?)?;
    for file in [&ours_file, &copy, &ukify_file] {
        std::fs::remove_file(file).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    let (ours_time, peak) = (seconds(&ours), ours.iter().map(|usage| usage.peak).max().unwrap_or(0));
    let time = |peer: &str, figure: f64, limit: f64, aim| Row {
        what: "UKI with a 512 MiB initrd: time until it is on the disk".into(),
        ours: format!("{ours_time:.2} s"),
        peer: format!("{peer}: {figure:.2} s"),
        ratio: ours_time / figure,
        aim,
        met: ours_time <= limit * figure,
    };
    Ok(vec![
        time("cp", seconds(&cp), 2.0, "≤ 2.0"),
        time("cp and sync", seconds(&synced), 2.0, "≤ 2.0"),
        time("ukify", seconds(&[ukify]), 1.0, "≤ 1.0"),
        Row {
            what: "UKI with a 512 MiB initrd: peak memory".into(),
            ours: mebibytes(peak),
            peer: format!("ukify: {}", mebibytes(ukify.peak)),
            ratio: peak as f64 / ukify.peak as f64,
            aim: "≤ 32 MiB",
            met: peak <= MEMORY_AIM,
        },
    ])
}

/// The stub is an EFI program as a kernel is, and stands in for one.
fn bootwright(context: &Context, initrd: &Path, output: &Path) -> Command {
    let mut command = Command::new(&context.bootwright);
    command.args(["uki", "build", "--linux", STUB, "--uname", "6", "--cmdline", "quiet"]);
    command.arg("--initrd").arg(initrd).arg("-o").arg(output);
    command
}

fn ukify(scratch: &Path, initrd: &Path, output: &Path) -> Result<Command> {
    let mut command = if shell::has("ukify") {
        Command::new("ukify")
    } else {
        let mut python = Command::new("/usr/bin/python3");
        python.arg(fetch_ukify(scratch)?);
        python
    };
    command.args(["build", "--linux", STUB, "--stub", STUB, "--uname", "6", "--cmdline", "quiet"]);
    command.args(["--os-release", "ID=bench", "--initrd"]).arg(initrd).arg("--output").arg(output);
    Ok(command)
}

/// ukify out of Debian 13's package: Debian 12 has none.
pub(super) fn fetch_ukify(scratch: &Path) -> Result<PathBuf> {
    let root = scratch.join("ukify");
    debian13::unpack(&["systemd-ukify"], &root)?;
    Ok(root.join("usr/bin/ukify"))
}

/// Something like an initrd that no file system can make smaller.
fn initrd(scratch: &Path) -> Result<PathBuf> {
    let path = scratch.join("initrd.img");
    if std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() == INITRD) {
        return Ok(path);
    }
    let write = || -> std::io::Result<()> {
        let mut file = BufWriter::new(File::create(&path)?);
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        file.write_all(b"070701..")?;
        for _ in 1..INITRD / 8 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            file.write_all(&state.to_le_bytes())?;
        }
        file.into_inner()?.sync_all()
    };
    write().map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
