//! EROFS from the tar of a Debian root, beside mkfs.erofs 1.8 of Debian 13 with two workers and sqfstar with two
//! processors: same compressor, same level, same size of physical clusters. The root has about 1.2 GB; for Zstandard, which takes
//! ten times as long, about 0.25.
//!
//! mkfs.erofs runs as it comes and with the last bytes of files behind their inodes (`-Eztailpacking`), which
//! is what ours does; the latter with LZ4 only, since with Zstandard it takes a quarter of an hour.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Context, Row, Usage, measure, root};
use crate::{Result, debian13, shell};

/// What makes a tar of about 1.2 GB.
const LARGE: &str = "linux-image-amd64,build-essential,git,vim,python3-numpy,openssh-server,emacs-nox,\
    default-jre-headless";
/// And one of about 0.25 GB.
const SMALL: &str = "systemd-sysv,udev,openssh-server,python3,vim";
const MEMORY_AIM: u64 = 128 << 20;

/// Our name of a compression, mkfs.erofs's, sqfstar's arguments.
struct Case {
    ours: &'static str,
    erofs: &'static str,
    squashfs: &'static [&'static str],
    packages: &'static str,
    /// Whether mkfs.erofs also runs with `-Eztailpacking`.
    tails: bool,
    /// How often each runs, in turns: where the processor is all that counts, two are never alike.
    runs: usize,
}

const CASES: &[Case] = &[
    Case {
        ours: "lz4",
        erofs: "lz4hc,9",
        squashfs: &["-comp", "lz4", "-Xhc"],
        packages: LARGE,
        tails: true,
        runs: 5,
    },
    Case {
        ours: "zstd",
        erofs: "zstd,level=15",
        // Of level 15 by itself, and in 4.5 it loses the argument that says so.
        squashfs: &["-comp", "zstd"],
        packages: SMALL,
        tails: false,
        runs: 1,
    },
];

/// What a writer took and made.
struct Made {
    usage: Usage,
    bytes: u64,
}

/// Measures time, size and memory.
pub fn run(context: &Context) -> Result<Vec<Row>> {
    let programs = debian13::erofs_utils()?;
    let build = ["build", "--release", "--package", "bootwright-build", "--example", "erofs"];
    shell::run("build the example erofs", &mut shell::cargo(&build))?;
    let example = shell::root().join("target/release/examples/erofs");
    let image = context.scratch.join("image");
    let mut rows = Vec::new();
    for case in CASES {
        let scratch = context.scratch.join(case.ours);
        fs::create_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
        let tar = root::debian(&scratch, case.packages)?;
        let mut ours = Command::new(&example);
        ours.arg(&tar).arg(&image).arg(case.ours);
        let mut writers = vec![("ours".to_owned(), ours)];
        let options: &[&[&str]] = if case.tails { &[&[], &["-Eztailpacking"]] } else { &[&[]] };
        for options in options {
            let mut mkfs = Command::new(programs.join("mkfs.erofs"));
            mkfs.args(["--quiet", "--workers=2", "-C65536", "-z", case.erofs]).args(*options);
            mkfs.arg("--tar=f").arg(&image).arg(&tar);
            writers.push(([&["mkfs.erofs"], *options].concat().join(" "), mkfs));
        }
        let script = r#"image=$1 tar=$2; shift 2; exec sqfstar -quiet -no-progress -processors 2 "$@" "$image" < "$tar""#;
        let mut squashfs = Command::new("sh");
        squashfs.args(["-c", script, "sh"]).arg(&image).arg(&tar).args(case.squashfs);
        writers.push(("sqfstar".to_owned(), squashfs));
        let made = in_turns(&image, &writers, case.runs)?;
        let Some((ours, peers)) = made.split_first() else { continue };
        for ((name, _), peer) in writers.iter().skip(1).zip(peers) {
            let aimed = name != "sqfstar";
            rows.push(time(case, name, ours, peer, aimed.then_some(0.9)));
            rows.push(size(case, name, ours, peer, aimed.then_some(1.0)));
            if aimed {
                rows.push(memory(case, name, ours, peer));
            }
        }
    }
    Ok(rows)
}

/// Runs each writer so many times, in turns, and gives for each the run that took the middle of its times.
fn in_turns(image: &Path, writers: &[(String, Command)], runs: usize) -> Result<Vec<Made>> {
    let mut made: Vec<Vec<Made>> = writers.iter().map(|_| Vec::new()).collect();
    for _ in 0..runs {
        for ((_, command), made) in writers.iter().zip(&mut made) {
            made.push(make(image, command)?);
        }
    }
    let middle = |mut made: Vec<Made>| {
        made.sort_by_key(|made| made.usage.wall);
        made.swap_remove(runs / 2)
    };
    Ok(made.into_iter().map(middle).collect())
}

/// Runs a writer that makes `image` from nothing.
fn make(image: &Path, command: &Command) -> Result<Made> {
    let failed = |error: std::io::Error| format!("{}: {error}", image.display());
    if image.exists() {
        fs::remove_file(image).map_err(failed)?;
    }
    let usage = measure(command)?;
    Ok(Made { usage, bytes: fs::metadata(image).map_err(failed)?.len() })
}

fn row(case: &Case, what: &str, (ours, peer): (String, String), ratio: f64, aim: Option<f64>) -> Row {
    Row {
        what: format!("EROFS with {}: {what}", case.erofs),
        ours,
        peer,
        ratio,
        aim: match aim {
            Some(0.9) => "≤ 0.9",
            Some(_) => "≤ 1.0",
            None => "none",
        },
        met: aim.is_none_or(|aim| ratio <= aim),
    }
}

fn time(case: &Case, name: &str, ours: &Made, peer: &Made, aim: Option<f64>) -> Row {
    let seconds = |made: &Made| made.usage.wall.as_secs_f64();
    let texts = (format!("{:.1} s", seconds(ours)), format!("{name}: {:.1} s", seconds(peer)));
    row(case, "time", texts, seconds(ours) / seconds(peer), aim)
}

fn size(case: &Case, name: &str, ours: &Made, peer: &Made, aim: Option<f64>) -> Row {
    let megabytes = |made: &Made| made.bytes as f64 / 1e6;
    let texts = (format!("{:.1} MB", megabytes(ours)), format!("{name}: {:.1} MB", megabytes(peer)));
    row(case, "size", texts, megabytes(ours) / megabytes(peer), aim)
}

fn memory(case: &Case, name: &str, ours: &Made, peer: &Made) -> Row {
    let mebibytes = |made: &Made| made.usage.peak as f64 / f64::from(1 << 20);
    let texts = (format!("{:.0} MiB", mebibytes(ours)), format!("{name}: {:.0} MiB", mebibytes(peer)));
    let ratio = mebibytes(ours) / mebibytes(peer);
    Row {
        aim: "≤ 128 MiB",
        met: ours.usage.peak <= MEMORY_AIM,
        ..row(case, "peak memory", texts, ratio, None)
    }
}
