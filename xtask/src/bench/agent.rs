//! From the start of the kernel to the system's init, network included: our agent, a busybox initrd written by
//! hand, dracut livenet, and systemd's rd.systemd.pull; one kernel, one root, one server.
//!
//! The root's init is `/bin/true`: the kernel panics when it ends, says at what second, and QEMU ends. Beside that
//! second stands the processor time of the whole machine, which other work on the host stretches less.
//!
//! busybox checks nothing of what it fetched, the agent everything. So it runs a second time with `sha256sum`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bootwright_vm::lab::ADDRESS;
use bootwright_vm::machine::{Boot, Firmware, OnReboot};
use bootwright_vm::{Road, Service};
use regex_lite::Regex;

use super::kernel::Kernel;
use super::lab::Network;
use super::{Context, Row, cpu_of, median, systemd};
use crate::{Result, images, shell};

/// How often each contender boots, in turns; the medians count.
const RUNS: usize = 3;
/// Under TCG on a busy host.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often it is looked whether the machine is connected.
const LOOK: Duration = Duration::from_millis(50);
/// MiB of the machine.
const MEMORY: u32 = 1024;
/// The largest agent, in bytes.
const AGENT: u64 = 4_000_000;
/// What the hand-written initrd needs, beside what is built into the kernel.
const MODULES: [&str; 5] = ["virtio_pci", "virtio_net", "loop", "squashfs", "overlay"];

/// An initrd and the command line for it.
struct Contender {
    name: &'static str,
    initrd: PathBuf,
    cmdline: String,
}

/// One boot.
struct Figure {
    /// Seconds from the start of the kernel until init has run.
    wall: f64,
    /// Seconds of processor time, firmware included.
    cpu: f64,
    /// Seconds from power-on until the machine was connected to the server by HTTP.
    connected: f64,
}

/// Measures boots and sizes.
pub fn run(context: &Context) -> Result<Vec<Row>> {
    let kernel = Kernel::fetch()?;
    let image = images::build(&context.bootwright, "hello", "hello")?;
    let network = Network::new()?;
    let mut server =
        network.bootwright(context, &image, &["--dhcp", "full", "--range", "10.77.0.50-10.77.0.99"]);
    let server = network.start(&mut server, 67)?;
    let ours = ours(context, &kernel, &image)?;
    let peers = [busybox(context, &kernel, Check::Nothing)?, livenet(context, &kernel)?];
    let checking = busybox(context, &kernel, Check::Digest)?;
    let pull = pull(context, &kernel)?;
    let all = [&ours, &peers[0], &peers[1], &checking, &pull];
    let mut figures: Vec<Vec<Figure>> = all.iter().map(|_| Vec::new()).collect();
    for _ in 0..RUNS {
        for (contender, figures) in all.iter().zip(&mut figures) {
            figures.push(boot(&network, &server, &kernel, contender)?);
        }
    }
    let [ours_took, busybox_took, livenet_took, checking_took, pull_took] = &figures[..] else {
        return Ok(Vec::new());
    };
    let mut rows = sizes(context, &ours, &peers[1])?;
    rows.extend(compare(ours_took, peers[0].name, busybox_took, (1.0, "≤ 1.0")));
    rows.extend(compare(ours_took, checking.name, checking_took, (1.0, "≤ 1.0")));
    rows.extend(compare(ours_took, peers[1].name, livenet_took, (0.5, "≤ 0.5")));
    rows.extend(compare(ours_took, pull.name, pull_took, (0.5, "≤ 0.5")));
    Ok(rows)
}

fn compare(ours: &[Figure], peer: &str, theirs: &[Figure], (limit, aim): (f64, &'static str)) -> [Row; 3] {
    let middle = |figures: &[Figure], of: fn(&Figure) -> f64| median(figures.iter().map(of).collect());
    let row = |what: &str, of: fn(&Figure) -> f64| {
        let (ours, theirs) = (middle(ours, of), middle(theirs, of));
        let ratio = ours / theirs;
        Row {
            what: what.to_owned(),
            ours: format!("{ours:.2} s"),
            peer: format!("{peer}: {theirs:.2} s"),
            ratio,
            aim,
            met: ratio <= limit,
        }
    };
    [
        row("power-on to the first connection by HTTP", |figure| figure.connected),
        row("kernel start to init: time", |figure| figure.wall),
        row("kernel start to init: CPU of the machine", |figure| figure.cpu),
    ]
}

fn sizes(context: &Context, ours: &Contender, dracut: &Contender) -> Result<Vec<Row>> {
    let (mine, theirs) = (size(&ours.initrd)?, size(&dracut.initrd)?);
    let agent = agent_size(context, &ours.initrd)?;
    let megabytes = |bytes: u64| format!("{:.2} MB", bytes as f64 / 1e6);
    let ratio = mine as f64 / theirs as f64;
    Ok(vec![
        Row {
            what: "agent: static binary".into(),
            ours: megabytes(agent),
            peer: "the aim".into(),
            ratio: agent as f64 / AGENT as f64,
            aim: "≤ 4 MB",
            met: agent <= AGENT,
        },
        Row {
            what: "initrd that boots over the network".into(),
            ours: megabytes(mine),
            peer: format!("dracut with livenet: {}", megabytes(theirs)),
            ratio,
            aim: "≤ 0.333",
            met: ratio <= 1.0 / 3.0,
        },
    ])
}

fn size(path: &Path) -> Result<u64> {
    fs::metadata(path).map(|metadata| metadata.len()).map_err(|error| format!("{}: {error}", path.display()))
}

/// Bytes of `/init` in our initrd.
fn agent_size(context: &Context, initrd: &Path) -> Result<u64> {
    let mut explain = Command::new(&context.bootwright);
    let text = shell::output(explain.args(["initrd", "explain", "--json"]).arg(initrd))?;
    let listing: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let files = listing["files"].as_array().ok_or("initrd explain --json lists no files")?;
    let init =
        files.iter().find(|file| file["path"].as_str().is_some_and(|path| path.trim_matches('/') == "init"));
    init.and_then(|file| file["size"].as_u64()).ok_or_else(|| "our initrd has no /init".to_owned())
}

/// The line that all have, and `more`.
fn cmdline(more: &str) -> String {
    format!("console=ttyS0 panic=-1 init=/bin/true {more}")
}

fn ours(context: &Context, kernel: &Kernel, image: &Path) -> Result<Contender> {
    let initrd = context.scratch.join("ours.img");
    let mut build = Command::new(&context.bootwright);
    build.args(["initrd", "build", "--modules"]).arg(kernel.modules()).arg("-o").arg(&initrd);
    shell::output(&mut build)?;
    let digest = shell::output(Command::new("sha256sum").arg(image.join("root.json")))?;
    let digest = digest.split_whitespace().next().unwrap_or_default();
    let line = format!(
        "bootwright.image=http://{ADDRESS}:8000/images/hello/image.json bootwright.digest=sha256:{digest}"
    );
    Ok(Contender { name: "agent", initrd, cmdline: cmdline(&line) })
}

fn livenet(context: &Context, kernel: &Kernel) -> Result<Contender> {
    let url = format!("http://{ADDRESS}:8000/images/hello/root.img");
    let cmdline = livenet_line(&url, "init=/bin/true");
    let initrd = livenet_initrd(context, kernel)?;
    Ok(Contender { name: "dracut livenet", initrd, cmdline })
}

fn pull(context: &Context, kernel: &Kernel) -> Result<Contender> {
    let url = format!("http://{ADDRESS}:8000/images/hello/root.img");
    let cmdline = systemd::line(&url, "squashfs", "init=/bin/true");
    let initrd = systemd::initrd(context, kernel)?;
    Ok(Contender { name: "systemd, rd.systemd.pull", initrd, cmdline })
}

/// The command line by which dracut livenet fetches the root at `url`.
pub fn livenet_line(url: &str, more: &str) -> String {
    format!("console=ttyS0 panic=-1 root=live:{url} ip=dhcp rd.neednet=1 rd.live.overlay.overlayfs=1 {more}")
}

/// dracut's initrd for it.
pub fn livenet_initrd(context: &Context, kernel: &Kernel) -> Result<PathBuf> {
    let initrd = context.scratch.join("livenet.img");
    let mut dracut = Command::new("dracut");
    dracut.args([
        "--force",
        "--quiet",
        "--no-hostonly",
        "--zstd",
        "--add",
        "network-legacy livenet dmsquash-live",
    ]);
    // With dracut's systemd-networkd, which it prefers, version 059 never starts to fetch.
    dracut.args(["--omit", "systemd-networkd network-manager", "--kver", &kernel.version]);
    dracut.arg("--kmoddir").arg(kernel.modules()).arg(&initrd);
    shell::output(&mut dracut)?;
    Ok(initrd)
}

/// Whether what was fetched is read once more.
#[derive(Clone, Copy, PartialEq)]
enum Check {
    Nothing,
    Digest,
}

/// What somebody writes who knows the machine: its modules in their order, one card, no failure looked after.
fn busybox(context: &Context, kernel: &Kernel, check: Check) -> Result<Contender> {
    let (name, file, sum) = match check {
        Check::Nothing => ("busybox by hand", "busybox.img", ""),
        Check::Digest => ("busybox with sha256sum", "busybox-sum.img", "sha256sum /ram/root.img"),
    };
    let initrd = context.scratch.join(file);
    let script = r#"set -e
        rm -rf "$1" && mkdir -p "$1/bin" "$1/modules" "$1/proc" "$1/sys" "$1/dev" "$1/ram" "$1/lower" "$1/layer" "$1/root"
        cp "$(command -v busybox)" "$1/bin/busybox"
        for applet in sh mount insmod ip ifconfig udhcpc wget mkdir switch_root sha256sum; do
            ln -s busybox "$1/bin/$applet"
        done
        number=100
        for module in $5; do
            modprobe --show-depends -d "$3" -S "$4" "$module"
        done | while read -r word path rest; do
            [ "$word" = insmod ] || continue
            ls "$1"/modules/*-"${path##*/}" >/dev/null 2>&1 && continue
            number=$((number + 1))
            cp "$path" "$1/modules/$number-${path##*/}"
        done
        printf '%s' "$6" > "$1/init" && chmod 755 "$1/init"
        printf '#!/bin/sh\n[ "$1" = bound ] && ifconfig "$interface" "$ip" netmask "$subnet"\n' > "$1/dhcp"
        chmod 755 "$1/dhcp"
        cd "$1" && find . | cpio --quiet -o -H newc | zstd -q -9 > "$2""#;
    let init = format!(
        "#!/bin/sh\nmount -t proc proc /proc\nmount -t sysfs sysfs /sys\nmount -t devtmpfs dev /dev\n\
         for module in /modules/*; do insmod $module; done\n\
         ip link set eth0 up\nudhcpc -q -n -t 20 -i eth0 -s /dhcp\n\
         mount -t tmpfs -o size=90% ram /ram\n\
         wget -q -O /ram/root.img http://{ADDRESS}:8000/images/hello/root.img\n{sum}\n\
         mount -t squashfs -o loop,ro /ram/root.img /lower\nmount -t tmpfs layer /layer\n\
         mkdir /layer/upper /layer/work\n\
         mount -t overlay -o lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work root /root\n\
         exec switch_root /root /bin/true\n"
    );
    let mut build = Command::new("sh");
    build.args(["-c", script, "sh"]).arg(context.scratch.join("busybox")).arg(&initrd);
    build.arg(&kernel.root).arg(&kernel.version).args([MODULES.join(" "), init]);
    shell::output(&mut build)?;
    Ok(Contender { name, initrd, cmdline: cmdline("") })
}

/// Boots a machine until its init has ended.
fn boot(network: &Network, server: &Service, kernel: &Kernel, contender: &Contender) -> Result<Figure> {
    let boot = Boot::Kernel {
        kernel: kernel.image(),
        initrd: contender.initrd.clone(),
        cmdline: contender.cmdline.clone(),
    };
    let builder = Road::Direct.machine(Firmware::Bios).map_err(|error| error.to_string())?;
    let builder = builder.boot(boot).memory(MEMORY).on_reboot(OnReboot::Exit);
    let (others, begun) = (connections(network)?, Instant::now());
    let mut machine = builder.start(&network.lab).map_err(|error| error.to_string())?;
    let connected = connected(network, &others, begun)?;
    // Whoever looked has ended by now, and the machine has not.
    let before = cpu_of(std::process::id())?;
    let pattern = Regex::new(
        r"^\[ *([0-9.]+)\] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000000",
    );
    let pattern = pattern.map_err(|error| error.to_string())?;
    let seen = machine.expect(&pattern, PATIENCE).map_err(|unseen| {
        format!("{}: {unseen}\nthe server said:\n{}", contender.name, server.transcript().tail(20).join("\n"))
    })?;
    let wall = pattern.captures(&seen.line).and_then(|found| found.get(1)?.as_str().parse().ok());
    machine.wait(PATIENCE).map_err(|error| error.to_string())?.ok_or("QEMU does not end")?;
    // The machine's own processes are the only children that have ended meanwhile.
    let cpu = cpu_of(std::process::id())?.saturating_sub(before).as_secs_f64();
    let name = contender.name;
    println!("   {name}: HTTP after {connected:.2} s, {:.2} s, CPU {cpu:.2} s", wall.unwrap_or_default());
    Ok(Figure { wall: wall.ok_or("the kernel told no time")?, cpu, connected })
}

/// Who is connected to the server's HTTP port; machines that were switched off seem to be for a while.
fn connections(network: &Network) -> Result<BTreeSet<String>> {
    let mut sockets = network.server("ss");
    let there = shell::output(sockets.args(["-Htn", "state", "established", "sport", "= :8000"]))?;
    Ok(there.lines().filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect())
}

/// Waits until somebody is connected who was not `before`, and gives the seconds since `begun`.
fn connected(network: &Network, before: &BTreeSet<String>, begun: Instant) -> Result<f64> {
    while begun.elapsed() < PATIENCE {
        if !connections(network)?.is_subset(before) {
            return Ok(begun.elapsed().as_secs_f64());
        }
        std::thread::sleep(LOOK);
    }
    Err(format!("nobody has connected within {} s", PATIENCE.as_secs()))
}
