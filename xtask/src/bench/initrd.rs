//! The network initrd for Debian's generic kernel, agent included, beside dracut and mkinitramfs.
//!
//! dracut runs as it comes (all its modules, its own choice of compression), the same with zstd, which is
//! what we take, and restricted to the kernel modules that ours holds.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::kernel::Kernel;
use super::{Context, Row, Usage, measure, median};
use crate::{Result, shell};

/// How often ours runs, half of it before and half after the peers; the median counts.
const RUNS: usize = 6;

/// What a builder took and made.
#[derive(Clone, Copy)]
struct Built {
    seconds: f64,
    bytes: u64,
}

/// Measures time and size.
pub fn run(context: &Context) -> Result<Vec<Row>> {
    let kernel = Kernel::fetch()?;
    let output = |name: &str| context.scratch.join(name);
    let mut ours: Vec<Built> = Vec::new();
    for _ in 0..RUNS / 2 {
        ours.push(build(&output("ours.img"), &bootwright(context, &kernel, &output("ours.img")))?);
    }
    let drivers = modules_inside(context, &output("ours.img"))?;
    let whole = build(&output("dracut.img"), &dracut(&kernel, &[], &output("dracut.img")))?;
    let zstd = build(&output("zstd.img"), &dracut(&kernel, &["--zstd"], &output("zstd.img")))?;
    let restriction = ["--zstd", "--modules", "base", "--drivers", drivers.as_str()];
    let restricted =
        build(&output("restricted.img"), &dracut(&kernel, &restriction, &output("restricted.img")))?;
    let debian = build(&output("mkinitramfs.img"), &mkinitramfs(&kernel, &output("mkinitramfs.img")))?;
    for _ in 0..RUNS / 2 {
        ours.push(build(&output("ours.img"), &bootwright(context, &kernel, &output("ours.img")))?);
    }
    let seconds = median(ours.iter().map(|built| built.seconds).collect());
    let ours = Built { seconds, ..ours.first().copied().ok_or("no run")? };
    Ok([
        rows(ours, "dracut as it comes", whole, Some((1.0 / 40.0, "≤ 0.025")), Some((1.0 / 3.0, "≤ 0.333"))),
        rows(ours, "dracut --zstd", zstd, None, Some((1.0 / 3.0, "≤ 0.333"))),
        rows(ours, "dracut, same modules", restricted, Some((0.1, "≤ 0.1")), Some((1.0, "≤ 1.0"))),
        rows(ours, "mkinitramfs", debian, Some((1.0, "≤ 1.0")), Some((1.0, "≤ 1.0"))),
    ]
    .into_iter()
    .flatten()
    .collect())
}

type Aim = Option<(f64, &'static str)>;

fn rows(ours: Built, peer: &str, theirs: Built, time: Aim, size: Aim) -> Vec<Row> {
    let row = |what: &str, (ours, ours_text): (f64, String), (theirs, text): (f64, String), aim: Aim| {
        let (limit, aim) = aim?;
        let ratio = ours / theirs;
        let what = format!("network initrd, Debian's generic kernel: {what}");
        let peer = format!("{peer}: {text}");
        Some(Row { what, ours: ours_text, peer, ratio, aim, met: ratio <= limit })
    };
    let seconds = |built: Built| (built.seconds, format!("{:.2} s", built.seconds));
    let size_of = |built: Built| (built.bytes as f64, format!("{:.1} MB", built.bytes as f64 / 1e6));
    let rows = [
        row("time", seconds(ours), seconds(theirs), time),
        row("size", size_of(ours), size_of(theirs), size),
    ];
    rows.into_iter().flatten().collect()
}

fn bootwright(context: &Context, kernel: &Kernel, output: &Path) -> Command {
    let mut command = Command::new(&context.bootwright);
    command.args(["initrd", "build", "--modules"]).arg(kernel.modules()).arg("-o").arg(output);
    command
}

fn dracut(kernel: &Kernel, arguments: &[&str], output: &Path) -> Command {
    let mut command = Command::new("dracut");
    command.args(["--force", "--quiet", "--no-hostonly", "--kver", &kernel.version]);
    command.arg("--kmoddir").arg(kernel.modules()).args(arguments).arg(output);
    command
}

/// mkinitramfs knows one place for modules and one for configurations: in a mount namespace they are there.
fn mkinitramfs(kernel: &Kernel, output: &Path) -> Command {
    let script = r#"set -e
        mount -t overlay overlay -o "lowerdir=$1/lib:/usr/lib" /usr/lib
        mount --bind "$1/boot" /boot
        exec mkinitramfs -o "$2" "$3""#;
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]);
    command.arg(&kernel.root).arg(output).arg(&kernel.version);
    command
}

/// The names of the modules in our initrd, as dracut's `--drivers` wants them.
fn modules_inside(context: &Context, initrd: &Path) -> Result<String> {
    let mut command = Command::new(&context.bootwright);
    let text = shell::output(command.args(["initrd", "explain", "--json"]).arg(initrd))?;
    let listing: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let files = listing["files"].as_array().ok_or("initrd explain --json lists no files")?;
    let name = |file: &serde_json::Value| {
        let path = file["path"].as_str()?.strip_suffix(".ko")?;
        Some(path.rsplit('/').next()?.to_owned())
    };
    let names: Vec<String> = files.iter().filter_map(name).collect();
    Ok(names.join(" "))
}

/// Runs `command`, which makes `output`.
fn build(output: &Path, command: &Command) -> Result<Built> {
    let Usage { wall, .. } = measure(command)?;
    let metadata = fs::metadata(output).map_err(|error| format!("{}: {error}", output.display()))?;
    Ok(Built { seconds: wall.as_secs_f64(), bytes: metadata.len() })
}
