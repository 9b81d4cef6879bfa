//! A boot as a chart over its time, as `systemd-analyze plot` has it for one system: here from the first packet of the
//! firmware on. [`Chart`] is what `chart.json` tells and [`svg`] draws.

pub mod svg;

use bootwright_image::timeline::Stage;
use bootwright_netboot::Mac;
use serde::Serialize;

use crate::state::{Boot, Entry, Machine};
use crate::ui::bar::{Phase, bar};

/// A boot of one machine. Times are milliseconds since its first event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chart {
    /// Which machine.
    pub mac: String,
    /// What it boots.
    pub image: Option<String>,
    /// When the boot began, milliseconds since 1970.
    pub started: u64,
    /// How long it took, or takes by now.
    pub length: u64,
    /// Whether the system is up, or the boot has failed.
    pub ended: bool,
    /// What the machine was busy with, without gaps.
    pub phases: Vec<Span>,
    /// What happened, in order of its beginning.
    pub rows: Vec<Row>,
}

/// A part of the boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Span {
    /// `firmware loads`.
    pub name: &'static str,
    /// Its class in style sheets.
    #[serde(skip)]
    pub class: &'static str,
    /// Since the boot began.
    pub begin: u64,
    /// The same.
    pub end: u64,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Where in the boot.
    pub stage: Stage,
    /// In words.
    pub text: String,
    /// Since the boot began.
    pub begin: u64,
    /// The same; equal to `begin` for what takes no time.
    pub end: u64,
    /// What it moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The class of its phase.
    #[serde(skip)]
    pub class: &'static str,
}

impl Chart {
    /// Of the machine's latest boot.
    pub fn of(mac: Mac, machine: &Machine) -> Self {
        let boot = &machine.boot;
        let (segments, length) = bar(boot);
        let mut begin = 0;
        let phases: Vec<Span> = segments
            .into_iter()
            .map(|segment| {
                let span = Span {
                    name: segment.phase.name(),
                    class: segment.phase.class(),
                    begin,
                    end: begin + segment.millis,
                };
                begin = span.end;
                span
            })
            .collect();
        let mut rows: Vec<Row> = boot.entries.iter().map(|entry| row(boot, entry, &phases)).collect();
        rows.sort_by_key(|row| row.begin);
        let ended =
            boot.entries.iter().any(|entry| matches!(entry.event.stage, Stage::System | Stage::Failure));
        let image = machine.facts.image.clone();
        Self { mac: mac.to_string(), image, started: boot.started, length, ended, phases, rows }
    }
}

fn row(boot: &Boot, entry: &Entry, phases: &[Span]) -> Row {
    let since = |time: u64| time.saturating_sub(boot.started);
    let (begin, end) = (since(entry.since), since(entry.event.at));
    let phase = phases.iter().find(|span| span.begin <= begin && begin < span.end).or(phases.last());
    let class = match entry.event.stage {
        Stage::Failure => "failed",
        _ => phase.map_or(Phase::Asks.class(), |span| span.class),
    };
    let text = entry.event.text.clone();
    Row { stage: entry.event.stage, text, begin, end: end.max(begin), bytes: entry.event.bytes, class }
}

#[cfg(test)]
mod tests;
