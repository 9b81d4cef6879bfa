//! Fleets of 1 to 10 000 machines in the simulation: the policy's own code over a simulated network.
//!
//! Writes the curve of time and of the origin's bytes against the number of machines into `docs/`. The same seed gives
//! the same curve on every machine. 10 000 machines take a core about a quarter of an hour and 1 GB.

use std::path::Path;

use super::{Context, Row};
use crate::{Result, shell};

const SEED: &str = "1";
/// Sizes of the fleets.
const MACHINES: [&str; 9] = ["1", "3", "10", "30", "100", "300", "1000", "3000", "10000"];
/// What the time of the last machine is to keep to, in bounds, and the origin, in copies.
const AIMS: (f64, f64) = (1.5, 1.15);

/// One fleet.
struct Point {
    machines: u32,
    /// Time of the last machine in S/R.
    time: f64,
    /// Bytes out of the origin in S.
    origin: f64,
}

/// Plays the fleets and writes the curve.
pub fn run(_: &Context) -> Result<Vec<Row>> {
    let example =
        ["run", "--release", "-q", "-p", "bootwright-fetch", "--example", "fleet", "--", "curve", SEED];
    let mut command = shell::cargo(&example);
    let said = shell::output(command.args(MACHINES))?;
    let mut points: Vec<Point> = said.lines().filter_map(point).collect();
    points.sort_by_key(|point| point.machines);
    if points.len() != MACHINES.len() {
        return Err(format!("the example fleet said {said:?}"));
    }
    write(&shell::root().join("docs/fleet-curve.svg"), &svg(&points))?;
    write(&shell::root().join("docs/fleet-curve.md"), &page(&points))?;
    Ok(points.iter().flat_map(rows).collect())
}

/// `MACHINES TIME ORIGIN`, apart by tabs.
fn point(line: &str) -> Option<Point> {
    let mut words = line.split('\t');
    let machines = words.next()?.parse().ok()?;
    let time = words.next()?.parse().ok()?;
    Some(Point { machines, time, origin: words.next()?.parse().ok()? })
}

fn rows(point: &Point) -> [Row; 2] {
    let row = |what: &str, ratio: f64, peer: &str, aim, met| Row {
        what: format!("{} machines, simulated: {what}", point.machines),
        ours: format!("{ratio:.3}"),
        peer: peer.to_owned(),
        ratio,
        aim,
        met,
    };
    [
        row("time", point.time, "the bound S/R", "≤ 1.5", point.time <= AIMS.0),
        row("bytes out of the origin", point.origin, "one copy", "≤ 1.15", point.origin <= AIMS.1),
    ]
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn page(points: &[Point]) -> String {
    let rows: String = points
        .iter()
        .map(|point| format!("| {} | {:.2} | {:.3} |\n", point.machines, point.time, point.origin))
        .collect();
    format!(
        "# A fleet of any size, simulated

`cargo xtask bench simulate` plays the policy's own code (`fetch::swarm::policy`) over a simulated network and writes
this page; seed {SEED}. All machines are switched on at once, want 64 MiB in 256 chunks of one origin, and have links
of 80 Mbit/s each way, as the origin has. Time is that of the last machine, in the bound S/R = 6.71 s; the network's
headers take 4 % of it. Bytes out of the origin are in copies of the image.

| machines | time in S/R | bytes out of the origin |
|---|---|---|
{rows}
![Time and bytes of the origin against the number of machines](fleet-curve.svg)

Modelled: the rate of each link in each direction, the queue before it, latency, the order of bytes on a connection,
TCP as a window per connection, 80 connections a machine, and 2 ms to verify a chunk. A chunk travels as four blocks;
messages take their latency and no room. Not modelled: processors, disks, the network between the links, loss, and
mirrors.
"
    )
}

/// The drawing, without the room around it for the words.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 280.0;
const MARGIN: f64 = 48.0;
/// What the vertical axis ends with.
const TOP: f64 = 2.0;

fn svg(points: &[Point]) -> String {
    let decades = 4.0;
    let x = |machines: u32| MARGIN + f64::from(machines).log10() / decades * WIDTH;
    let y = |value: f64| MARGIN / 2.0 + HEIGHT - value.min(TOP) / TOP * HEIGHT;
    let line = |value: fn(&Point) -> f64, colour: &str| {
        let dots: Vec<String> =
            points.iter().map(|point| format!("{:.1},{:.1}", x(point.machines), y(value(point)))).collect();
        format!(
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>\n",
            dots.join(" ")
        )
    };
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" font-family=\"sans-serif\" font-size=\"12\">
<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        WIDTH + 2.0 * MARGIN,
        HEIGHT + 2.0 * MARGIN,
    );
    for value in [0.0, 0.5, 1.0, 1.5, 2.0] {
        let at = y(value);
        text += &format!(
            "<path d=\"M{MARGIN} {at:.1}h{WIDTH}\" stroke=\"#ccc\"/><text x=\"16\" y=\"{:.1}\">{value:.1}</text>\n",
            at + 4.0
        );
    }
    for point in points {
        let (at, below) = (x(point.machines), y(0.0) + 18.0);
        text += &format!(
            "<text x=\"{at:.1}\" y=\"{below:.1}\" text-anchor=\"middle\">{}</text>\n",
            point.machines
        );
    }
    text += &line(|point| point.time, "#1f5fa8");
    text += &line(|point| point.origin, "#b03a2e");
    let (words, first) = (MARGIN + 12.0, y(0.35));
    text += &format!(
        "<text x=\"{words}\" y=\"{first:.1}\" fill=\"#1f5fa8\">time of the last machine, in S/R</text>\n"
    );
    let second = y(0.2);
    text += &format!(
        "<text x=\"{words}\" y=\"{second:.1}\" fill=\"#b03a2e\">bytes out of the origin, in S</text>\n"
    );
    text + "</svg>\n"
}
