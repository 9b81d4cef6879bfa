//! From power-on to the login prompt with a root of 2 GiB over a link of 100 Mbit/s: mode `stream`, our own mode `ram`,
//! dracut livenet, and systemd's rd.systemd.pull. One server, one system; the machine loads its kernel and initrd beside the
//! link.
//!
//! The root is that of `examples/hello` with ballast that nobody reads and nothing compresses. dracut and systemd get it as
//! squashfs, the only form that the former takes and the kernel of this Debian's suite, which is theirs, can read.

mod afterwards;

use std::path::Path;
use std::time::{Duration, Instant};

use bootwright_vm::lab::ADDRESS;
use bootwright_vm::machine::{Boot, Firmware, OnReboot};
use bootwright_vm::uki::Parts;
use bootwright_vm::{Machine, Road, Service};
use regex_lite::Regex;

use super::kernel::Kernel;
use super::lab::Network;
use super::{Context, Row, agent, systemd};
use crate::{Result, images, shell};

/// MiB of ballast: with the system about 2 GiB.
const BALLAST: usize = 1960;
/// MiB of the machine: the root in memory, twice while dracut unpacks nothing of it, and the system.
const MEMORY: u32 = 4096;
/// Of the machine's link.
const RATE: &str = "100mbit";
/// The whole root takes three minutes, and the host may be busy.
const PATIENCE: Duration = Duration::from_secs(1200);

/// Measures boots.
pub fn run(context: &Context) -> Result<Vec<Row>> {
    let streamed = images::build_large(&context.bootwright, "hello", "erofs", BALLAST)?;
    let squashed = images::build_large(&context.bootwright, "hello", "squashfs", BALLAST)?;
    let parts = Parts::extract(&streamed.join("image.efi")).map_err(|error| error.to_string())?;
    let kernel = Kernel::fetch()?;
    let url = format!("http://{ADDRESS}:8000/images/hello-large-squashfs/root.img");
    let dracut = agent::livenet_initrd(context, &kernel)?;
    let livenet =
        Boot::Kernel { kernel: kernel.image(), initrd: dracut, cmdline: agent::livenet_line(&url, "") };

    let initrd = systemd::initrd(context, &kernel)?;
    let pull = Boot::Kernel { kernel: kernel.image(), initrd, cmdline: systemd::line(&url, "squashfs", "") };

    forget_traces(context)?;
    let stream = || parts.boot("bootwright.mode=stream");
    let first = boot(context, (&streamed, MEMORY), stream(), Until::Complete)?;
    let second = boot(context, (&streamed, MEMORY), stream(), Until::Measured)?;
    let ram = boot(context, (&streamed, MEMORY), parts.boot("bootwright.mode=ram"), Until::Login)?;
    let livenet = boot(context, (&squashed, MEMORY), livenet, Until::Login)?;
    let pull = boot(context, (&squashed, systemd::MEMORY), pull, Until::Login)?;

    let took = |name: &str, theirs: f64| Row {
        what: "power-on to login, 2 GiB root, 100 Mbit/s".into(),
        ours: format!("stream: {:.1} s", second.login),
        peer: format!("{name}: {theirs:.1} s"),
        ratio: second.login / theirs,
        aim: "≤ 0.25",
        met: second.login <= theirs / 4.0,
    };
    let mut rows = vec![
        Row {
            what: "bytes that came because somebody waited for them, against bytes that were read".into(),
            ours: format!("first boot: {:.0} MiB", first.awaited),
            peer: format!("read: {:.0} MiB", first.read),
            ratio: first.awaited / first.read,
            aim: "≤ 1.3",
            met: first.awaited <= 1.3 * first.read,
        },
        took("ram", ram.login),
        took("dracut livenet", livenet.login),
        took("systemd, rd.systemd.pull", pull.login),
        Row {
            what: "power-on to login, without and with the trace of an earlier boot".into(),
            ours: format!("second boot: {:.1} s", second.login),
            peer: format!("first boot: {:.1} s", first.login),
            ratio: second.login / first.login,
            aim: "≤ 1.0",
            met: second.login <= first.login,
        },
        Row {
            what: "reads that waited longer than 0.1 s".into(),
            ours: format!("second boot: {}", second.stalls),
            peer: format!("first boot: {}", first.stalls),
            ratio: second.stalls / first.stalls,
            aim: "≤ 0.2",
            met: second.stalls <= first.stalls / 5.0,
        },
    ];
    rows.extend(second.afterwards);
    Ok(rows)
}

/// How far a boot is followed.
#[derive(Clone, Copy, PartialEq)]
enum Until {
    Login,
    /// The root is complete, and the trace told.
    Complete,
    /// And the system has been asked what that is like.
    Measured,
}

/// One boot.
struct Figure {
    /// Seconds from power-on to the login prompt.
    login: f64,
    /// Reads that waited longer than 0.1 s; 0 where nobody counts, as the others.
    stalls: f64,
    /// MiB of chunks that were not there when they were read.
    awaited: f64,
    /// MiB that were read.
    read: f64,
    /// See [`afterwards`].
    afterwards: Vec<Row>,
}

/// The first boot is to be one of which the server knows nothing.
fn forget_traces(context: &Context) -> Result<()> {
    let state = context.scratch.join("state");
    match std::fs::remove_dir_all(&state) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{}: {error}", state.display()))
        }
        _ => Ok(()),
    }
}

/// Boots one machine of so many MiB in a network of its own. What the server learns of the boot stays in its state.
fn boot(context: &Context, (image, memory): (&Path, u32), boot: Boot, until: Until) -> Result<Figure> {
    let network = Network::new()?;
    let server =
        &mut network.bootwright(context, image, &["--dhcp", "full", "--range", "10.77.0.50-10.77.0.99"]);
    let server = network.start(server, 67)?;
    let builder = Road::Direct.machine(Firmware::Bios).map_err(|error| error.to_string())?;
    let builder = builder.boot(boot).memory(memory).on_reboot(OnReboot::Exit);
    let begun = Instant::now();
    let mut machine = builder.start(&network.lab).map_err(|error| error.to_string())?;
    let mut tc = network.server("tc");
    tc.args(["qdisc", "add", "dev", machine.tap().unwrap_or_default(), "root", "tbf"]);
    shell::output(tc.args(["rate", RATE, "burst", "256kb", "latency", "50ms"]))?;
    let [] = see(&machine, &server, "login:")?;
    let login = begun.elapsed().as_secs_f64();
    let [mut stalls, mut awaited, mut read] = [0.0; 3];
    if until != Until::Login {
        let told = r"MiB streamed in .* (\d+) of them longer than 0\.1 s.*; (\d+) MiB came for (\d+) MiB";
        [stalls, awaited, read] = see(&machine, &server, told)?;
        let [] = see(&machine, &server, "the trace of this boot is told")?;
    }
    println!("   {}: {login:.1} s, {stalls} stalls", image.display());
    let afterwards = match until {
        Until::Measured => afterwards::rows(&mut machine, &server)?,
        Until::Login | Until::Complete => Vec::new(),
    };
    Ok(Figure { login, stalls, awaited, read, afterwards })
}

/// Waits for a line of the console, and gives the numbers that its groups hold.
fn see<const N: usize>(machine: &Machine, server: &Service, pattern: &str) -> Result<[f64; N]> {
    let regex = Regex::new(pattern).map_err(|error| error.to_string())?;
    let seen = machine.expect(&regex, PATIENCE).map_err(|unseen| {
        format!("{unseen}\nthe server said:\n{}", server.transcript().tail(20).join("\n"))
    })?;
    let groups = regex.captures(&seen.line);
    let groups = groups.iter().flat_map(|found| found.iter().skip(1).flatten());
    let numbers: Vec<f64> = groups.filter_map(|group| group.as_str().parse().ok()).collect();
    numbers.try_into().map_err(|_| format!("{:?} has not {N} numbers where {pattern} has them", seen.line))
}
