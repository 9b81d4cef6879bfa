//! `bootwright explain boot`: the server's chart of a boot, in letters.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use bootwright_fetch::{Client, RetryPolicy, Timeouts, Trust, dns, get_small};
use clap::Args;
use serde::Deserialize;
use url::Url;

use super::cmdline::printable;
use crate::failure::{Failure, Kind, OrFail as _};

/// The longest chart: 200 events of a kilobyte.
const MAX_CHART: usize = 1 << 20;

/// Columns of the axis of time.
const COLUMNS: usize = 40;

/// Show what a machine's latest boot spent its time on, as a bootwright server saw it.
///
/// The same as the server's /v1/machines/MAC/chart.svg, for a terminal.
///
/// Example: bootwright explain boot http://10.0.0.1 52:54:00:12:34:56
#[derive(Args)]
pub struct Boot {
    /// The server.
    #[arg(value_name = "URL")]
    server: Url,
    /// The machine's Ethernet address.
    #[arg(value_name = "MAC")]
    mac: String,
    /// Print the chart as the server's JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Chart {
    mac: String,
    image: Option<String>,
    length: u64,
    ended: bool,
    phases: Vec<Phase>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Phase {
    name: String,
    begin: u64,
    end: u64,
}

#[derive(Deserialize)]
struct Row {
    text: String,
    begin: u64,
    end: u64,
}

impl Boot {
    /// Fetches the chart and draws it.
    pub fn run(self) -> Result<(), Failure> {
        let wrong = |why: String| Failure::message(Kind::Usage, why);
        let path = format!("/v1/machines/{}/chart.json", self.mac);
        let url = self.server.join(&path).map_err(|error| wrong(format!("{}: {error}", self.server)))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().or_environment()?;
        let bytes = runtime.block_on(async {
            let client = Client::new(dns::Resolver::from_system(), &Trust::default(), Timeouts::default());
            let client = Arc::new(client.or_environment()?.with_proxies_of_environment());
            let got = get_small(&client, &url, MAX_CHART, RetryPolicy::default(), &mut |_| {}).await;
            got.map(|small| small.bytes).or_environment()
        })?;
        let mut out = BufWriter::new(io::stdout().lock());
        let printed = if self.json {
            out.write_all(&bytes).and_then(|()| writeln!(out))
        } else {
            let chart = serde_json::from_slice(&bytes);
            draw(&mut out, &chart.map_err(|error| Failure::message(Kind::Bad, format!("{url}: {error}")))?)
        };
        match printed.and_then(|()| out.flush()) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            printed => printed.or_environment(),
        }
    }
}

fn draw(out: &mut impl Write, chart: &Chart) -> io::Result<()> {
    let image = chart.image.as_deref().unwrap_or("no image yet");
    let so_far = if chart.ended { "" } else { " so far" };
    writeln!(out, "{} · {} · {:.1} s{so_far}\n", chart.mac, printable(image), seconds(chart.length))?;
    for Phase { name, begin, end } in &chart.phases {
        let took = seconds(end.saturating_sub(*begin));
        writeln!(out, "{}  {:24} {took:8.1} s", bar(chart.length, *begin, *end, '█'), printable(name))?;
    }
    writeln!(out)?;
    for Row { text, begin, end } in &chart.rows {
        let mark = if end > begin { '━' } else { '●' };
        writeln!(
            out,
            "{}  {:8.1} s  {}",
            bar(chart.length, *begin, *end, mark),
            seconds(*begin),
            printable(text)
        )?;
    }
    Ok(())
}

/// A line of [`COLUMNS`] in which a span is marked; at least one column of it.
fn bar(length: u64, begin: u64, end: u64, mark: char) -> String {
    let column = |time: u64| {
        let place = u128::from(time) * (COLUMNS as u128) / u128::from(length.max(1));
        usize::try_from(place).unwrap_or(COLUMNS).min(COLUMNS)
    };
    let first = column(begin).min(COLUMNS - 1);
    let last = column(end).max(first + 1);
    (0..COLUMNS).map(|at| if (first..last).contains(&at) { mark } else { '·' }).collect()
}

fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_marked_in_its_place_and_never_outside() {
        assert_eq!(bar(100, 0, 50, '█'), format!("{}{}", "█".repeat(20), "·".repeat(20)));
        assert_eq!(bar(100, 100, 100, '●'), format!("{}●", "·".repeat(39)));
        assert_eq!(bar(0, 0, 0, '●').chars().count(), COLUMNS);
        assert_eq!(bar(1, u64::MAX, u64::MAX, '●').chars().count(), COLUMNS);
    }

    #[test]
    fn phases_come_first_and_then_what_happened() {
        let chart = r#"{"mac":"52:54:00:12:34:56","image":"worker","started":0,"length":20000,"ended":true,
            "phases":[{"name":"DHCP","begin":0,"end":5000}],
            "rows":[{"stage":"http","text":"image.efi\u0007","begin":5000,"end":10000}]}"#;
        let mut out = Vec::new();
        draw(&mut out, &serde_json::from_str(chart).unwrap()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("52:54:00:12:34:56 · worker · 20.0 s\n"), "{text}");
        assert!(text.contains("██████████··") && text.contains("5.0 s  image.efi\u{fffd}"), "{text}");
    }
}
