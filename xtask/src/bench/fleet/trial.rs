//! One trial: a fleet is switched on, and it is waited for the last machine.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bootwright_vm::Service;

use super::Image;
use super::contender::{self, Contender, Field};
use super::network::Network;
use crate::bench::Context;
use crate::{Result, shell};

/// How long servers may take until they are ready.
const START: Duration = Duration::from_secs(30);
/// Time between the servers being ready and the first machine.
const SETTLE: Duration = Duration::from_millis(1500);
/// How long a machine that was killed stays away.
const AWAY: Duration = Duration::from_secs(1);
/// A trial that takes longer has failed: four times what nginx needs for its four machines.
const LIMIT: Duration = Duration::from_secs(120);

/// What is tried.
pub struct Plan {
    /// Bits a second of each machine's link.
    pub rates: Vec<u64>,
    /// Bits a second of the origin's link.
    pub origin: u64,
    /// Time between the first start and the last.
    pub spread: Duration,
    /// When every third machine is killed.
    pub killed: Option<Duration>,
}

/// What came of it.
pub struct Figure {
    /// From the first start until the last machine had everything.
    pub seconds: f64,
    /// Bytes that left the origin by its link, with their headers.
    pub sent: f64,
    /// Share of the processors' time that was used meanwhile, by whomever: near 1, it was they that were measured.
    pub busy: f64,
}

impl Figure {
    /// For people, the bytes as copies of an image of that size.
    pub fn told(&self, size: u64) -> String {
        let copies = self.sent / size as f64;
        format!("{:.2} s, {copies:.2} copies sent, processors {:.0} % busy", self.seconds, self.busy * 100.0)
    }
}

/// What is done to a machine.
#[derive(Clone, Copy)]
enum Act {
    Start,
    Kill,
}

/// Runs a contender in a network of its own, which is gone afterwards.
pub fn run(context: &Context, image: &Image, plan: &Plan, contender: Contender) -> Result<Figure> {
    // A copy for each machine, and one more for whatever else is written.
    let room = (plan.rates.len() as u64 + 1) * image.size;
    let network = Network::new(plan.origin, &plan.rates, &context.scratch, room)?;
    let field = Field { context, image, network: &network };
    let servers = start(&field, contender)?;
    let directories: Vec<PathBuf> =
        (0..plan.rates.len()).map(|index| contender::machine_directory(&network.outside(), index)).collect();
    for directory in &directories {
        std::fs::create_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    }
    let (sent, processors) = (network.sent()?, processors()?);
    let (seconds, machines) = follow(&field, plan, contender, &directories)?;
    let sent = network.sent()?.saturating_sub(sent) as f64;
    let busy = processors.busy_until(&self::processors()?);
    drop((machines, servers));
    directories.iter().try_for_each(|directory| judge(&directory.join(contender::NAME), image))?;
    Ok(Figure { seconds, sent, busy })
}

/// Starts the origin's servers and waits for them.
fn start(field: &Field<'_>, contender: Contender) -> Result<Vec<Service>> {
    let mut servers = Vec::new();
    for mut command in contender.servers(field)? {
        servers.push(Service::start(&mut command, None).map_err(|error| error.to_string())?);
    }
    let begun = Instant::now();
    while shell::output(field.network.origin("sh").args(["-c", &contender.ready()])).is_err() {
        let ended = servers.iter().find(|server| server.transcript().has_ended());
        if let Some(server) = ended.or(servers.first().filter(|_| begun.elapsed() > START)) {
            return Err(format!("its origin is not ready: {}", server.transcript().tail(5).join("\n")));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    std::thread::sleep(SETTLE);
    Ok(servers)
}

/// Switches the machines on, kills some when it is time, and gives the seconds until all have everything, and the
/// machines, which still give.
fn follow(
    field: &Field<'_>,
    plan: &Plan,
    contender: Contender,
    directories: &[PathBuf],
) -> Result<(f64, Vec<Option<Service>>)> {
    let mut machines: Vec<Option<Service>> = directories.iter().map(|_| None).collect();
    let mut acts = timeline(plan).into_iter().peekable();
    let begun = Instant::now();
    loop {
        while let Some((_, index, act)) = acts.next_if(|(due, ..)| *due <= begun.elapsed()) {
            let service = match act {
                Act::Start => Some(Service::start(&mut contender.client(field, index)?, None)),
                Act::Kill => None,
            };
            if let Some(machine) = machines.get_mut(index) {
                *machine = service.transpose().map_err(|error| error.to_string())?;
            }
        }
        let waiting = unfinished(&machines, directories)?;
        let elapsed = begun.elapsed();
        if waiting.is_empty() && acts.peek().is_none() {
            return Ok((elapsed.as_secs_f64(), machines));
        }
        if elapsed > LIMIT {
            return Err(format!("{} machines have nothing complete after {LIMIT:?}", waiting.len()));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What is done when, in its order.
fn timeline(plan: &Plan) -> Vec<(Duration, usize, Act)> {
    let count = plan.rates.len();
    let last = u32::try_from(count.saturating_sub(1)).unwrap_or(u32::MAX).max(1);
    let mut acts: Vec<_> =
        (0u32..).zip(0..count).map(|(step, index)| (plan.spread * step / last, index, Act::Start)).collect();
    for index in (0..count).step_by(3) {
        if let Some(killed) = plan.killed {
            acts.extend([(killed, index, Act::Kill), (killed + AWAY, index, Act::Start)]);
        }
    }
    acts.sort_by_key(|(due, ..)| *due);
    acts
}

/// The machines that are not done. One that has ended without is an error.
fn unfinished(machines: &[Option<Service>], directories: &[PathBuf]) -> Result<Vec<usize>> {
    let mut waiting = Vec::new();
    for (index, (machine, directory)) in machines.iter().zip(directories).enumerate() {
        // Asked first: what ends after this may have made the file before.
        let ended = machine.as_ref().filter(|service| service.transcript().has_ended());
        if directory.join(contender::DONE).exists() {
            continue;
        }
        if let Some(service) = ended {
            let said = service.transcript().tail(5).join("\n");
            return Err(format!("machine {index} ended before it had everything: {said}"));
        }
        waiting.push(index);
    }
    Ok(waiting)
}

/// The bytes are right, says sha256sum(1).
fn judge(file: &Path, image: &Image) -> Result<()> {
    let said = shell::output(std::process::Command::new("sha256sum").arg(file))?;
    if said.starts_with(&image.digest) {
        return Ok(());
    }
    Err(format!("{} has the digest {said}, not {}", file.display(), image.digest))
}

/// The processors' time so far, in ticks.
struct Processors {
    all: u64,
    idle: u64,
}

impl Processors {
    fn busy_until(&self, later: &Self) -> f64 {
        let all = later.all.saturating_sub(self.all).max(1);
        1.0 - later.idle.saturating_sub(self.idle) as f64 / all as f64
    }
}

/// The first line of proc_stat(5).
fn processors() -> Result<Processors> {
    let text = std::fs::read_to_string("/proc/stat").map_err(|error| format!("/proc/stat: {error}"))?;
    // user, nice, system, idle, iowait, irq, softirq, steal; what guests use is in user already.
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<u64> =
        line.split_whitespace().skip(1).take(8).filter_map(|word| word.parse().ok()).collect();
    Ok(Processors { all: ticks.iter().sum(), idle: ticks.iter().skip(3).take(2).sum() })
}
