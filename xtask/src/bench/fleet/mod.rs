//! A fleet: N machines that want one image of one origin at the same time, over shaped links.
//!
//! Every machine is a host of a private network ([`network`]), with a link of [`RATE`] each way. A contender
//! ([`contender`]) gives the origin's servers and the machines' client. What counts is the time until the last
//! machine has the image, and the bytes that left the origin by its link ([`trial`]). No fleet is faster than
//! [`SIZE`] over [`RATE`], and no origin sends less than one copy.

mod contender;
mod network;
mod trial;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Context, Row, median};
use crate::{Result, shell};
use contender::Contender;
pub use contender::LIBTORRENT;
use trial::{Figure, Plan};

/// Bytes of the image.
const SIZE: u64 = 64 << 20;
/// Bits a second of a link, each way. More, and two cores are the limit, not the links.
const RATE: u64 = 80_000_000;
/// The peers that give to each other, which a fleet would use otherwise.
const SWARMS: [Contender; 3] = [Contender::Aria2, Contender::Libtorrent, Contender::SuperSeeding];

/// One way to switch a fleet on.
struct Case {
    what: &'static str,
    machines: usize,
    /// Time between the first start and the last.
    spread: Duration,
    /// Every second machine has a link of half the rate.
    unequal: bool,
    /// Every third machine is killed when half of the shortest possible time is over, and starts again a second later.
    killed: bool,
    /// How often each contender runs it, in turns. Of three the median counts, of two the worse.
    runs: usize,
}

const AT_ONCE: Case = Case {
    what: "all at once",
    machines: 16,
    spread: Duration::ZERO,
    unequal: false,
    killed: false,
    runs: 3,
};

/// What is held against the peers alone: the whole takes less than half an hour.
const TWICE: Case = Case { runs: 2, ..AT_ONCE };

/// The first is the one that is held against the bounds.
const CASES: [Case; 7] = [
    AT_ONCE,
    Case { machines: 4, ..TWICE },
    Case { machines: 8, ..TWICE },
    Case { machines: 24, ..TWICE },
    Case { what: "starts spread over 5 s", spread: Duration::from_secs(5), ..TWICE },
    Case { what: "every second link half as fast", unequal: true, ..TWICE },
    Case { what: "one third killed and back", killed: true, ..TWICE },
];

/// The image that is handed out.
struct Image {
    path: PathBuf,
    size: u64,
    /// SHA-256 in hexadecimal, as sha256sum(1) tells it.
    digest: String,
}

/// Measures time and bytes of each case.
pub fn run(context: &Context) -> Result<Vec<Row>> {
    // A network in a user's namespace has the host's; Linux's default is CUBIC.
    let control = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control").unwrap_or_default();
    println!("   TCP's congestion control: {}", control.trim());
    let image = image(&context.scratch)?;
    let mut rows = Vec::new();
    for (index, case) in CASES.iter().enumerate() {
        let mut contenders = vec![Contender::Bootwright];
        contenders.extend(SWARMS);
        // N copies over one link: what that costs is known from the smallest fleet.
        if case.machines <= 4 {
            contenders.push(Contender::Nginx);
        }
        let figures = measure(context, &image, case, &contenders)?;
        let ours = figures.iter().find(|(contender, _)| *contender == Contender::Bootwright);
        let (_, ours) = ours.ok_or_else(|| format!("bootwright failed: {}", title(case)))?;
        if index == 0 {
            rows.extend(bounds(case, ours));
        }
        rows.push(compare(case, ours, &figures)?);
    }
    Ok(rows)
}

/// The middle figures of every contender that got the image to all machines, in turns.
fn measure(
    context: &Context,
    image: &Image,
    case: &Case,
    contenders: &[Contender],
) -> Result<Vec<(Contender, Figure)>> {
    let mut figures: Vec<(Contender, Vec<Figure>)> =
        contenders.iter().map(|contender| (*contender, Vec::new())).collect();
    for _ in 0..case.runs {
        for (contender, figures) in &mut figures {
            let what = format!("{}, {}", contender.name(), title(case));
            match trial::run(context, image, &plan(case), *contender) {
                Ok(figure) => {
                    println!("   {what}: {}", figure.told(image.size));
                    figures.push(figure);
                }
                // A peer that fails has lost; the others go on.
                Err(error) if *contender != Contender::Bootwright => println!("   {what}: failed: {error}"),
                Err(error) => return Err(format!("{what}: {error}")),
            }
        }
    }
    let complete = figures.into_iter().filter(|(_, figures)| figures.len() == case.runs);
    Ok(complete.map(|(contender, figures)| (contender, middle(&figures))).collect())
}

fn middle(figures: &[Figure]) -> Figure {
    let of = |value: fn(&Figure) -> f64| median(figures.iter().map(value).collect());
    Figure { seconds: of(|it| it.seconds), sent: of(|it| it.sent), busy: of(|it| it.busy) }
}

fn plan(case: &Case) -> Plan {
    let rate = |index: usize| if case.unequal && index % 2 == 1 { RATE / 2 } else { RATE };
    let killed = case.killed.then(|| Duration::from_secs_f64(bound() / 2.0));
    Plan { rates: (0..case.machines).map(rate).collect(), origin: RATE, spread: case.spread, killed }
}

/// Seconds that one copy takes over one link.
fn bound() -> f64 {
    SIZE as f64 * 8.0 / RATE as f64
}

fn title(case: &Case) -> String {
    format!("{} machines, {}", case.machines, case.what)
}

fn bounds(case: &Case, ours: &Figure) -> [Row; 2] {
    let (time, sent) = (ours.seconds / bound(), ours.sent / SIZE as f64);
    [
        Row {
            what: format!("fleet, {}: time", title(case)),
            ours: format!("{:.2} s", ours.seconds),
            peer: format!("the bound S/R: {:.2} s", bound()),
            ratio: time,
            aim: "≤ 1.25",
            met: time <= 1.25,
        },
        Row {
            what: format!("fleet, {}: bytes out of the origin", title(case)),
            ours: format!("{:.1} MB", ours.sent / 1e6),
            peer: format!("one copy: {:.1} MB", SIZE as f64 / 1e6),
            ratio: sent,
            aim: "≤ 1.15",
            met: sent <= 1.15,
        },
    ]
}

/// Ours beside the peer whose last machine was done first.
fn compare(case: &Case, ours: &Figure, figures: &[(Contender, Figure)]) -> Result<Row> {
    let peers = figures.iter().filter(|(contender, _)| *contender != Contender::Bootwright);
    let best = peers.min_by(|a, b| a.1.seconds.total_cmp(&b.1.seconds));
    let (contender, peer) = best.ok_or_else(|| format!("no peer got through: {}", title(case)))?;
    let told = |figure: &Figure| figure.told(SIZE);
    Ok(Row {
        what: format!("fleet, {}: time", title(case)),
        ours: told(ours),
        peer: format!("{}, the best: {}", contender.name(), told(peer)),
        ratio: ours.seconds / peer.seconds,
        aim: "≤ 1.0",
        met: ours.seconds <= peer.seconds,
    })
}

/// An image of noise, which nobody compresses or leaves out.
fn image(scratch: &Path) -> Result<Image> {
    let directory = scratch.join("www");
    let path = directory.join(contender::NAME);
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    if std::fs::metadata(&path).map_or(0, |metadata| metadata.len()) != SIZE {
        std::fs::create_dir_all(&directory).map_err(failed)?;
        let noise = std::fs::File::open("/dev/urandom").map_err(|error| format!("/dev/urandom: {error}"))?;
        let mut file = std::fs::File::create(&path).map_err(failed)?;
        std::io::copy(&mut std::io::Read::take(noise, SIZE), &mut file).map_err(failed)?;
    }
    let said = shell::output(Command::new("sha256sum").arg(&path))?;
    let digest = said.split(' ').next().unwrap_or_default().to_owned();
    Ok(Image { path, size: SIZE, digest })
}
