//! What happens, told twice: as a line to the operator and as an entry of a machine's timeline.

mod notice;

use std::fmt;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bootwright_image::timeline::{Event, Report, Stage};
use bootwright_netboot::{Asker, Mac, machine};

pub use notice::{Level, Notice, Seconds, Size, chain};

use crate::metrics::Metrics;
use crate::state::{Facts, Machines, Sighting, Source, clean, now};

/// Events taken from one report: an agent sends a few at a time.
pub const MAX_REPORTED: usize = 100;

/// Transfers smaller than this are told of when they end only, in bytes.
const SMALL: u64 = 1 << 20;

/// A part of a file on its way to a client, by HTTP or TFTP.
#[derive(Debug, Clone)]
pub struct Piece<'a> {
    /// [`Stage::Http`] or [`Stage::Tftp`].
    pub stage: Stage,
    /// The client.
    pub peer: IpAddr,
    /// What it fetches.
    pub path: &'a str,
    /// The bytes it asked for.
    pub range: Range<u64>,
    /// Bytes of the whole file.
    pub total: u64,
}

/// How a transfer goes.
pub enum Going<'a> {
    /// It begins.
    Begins,
    /// It ended.
    Ended {
        /// Bytes sent.
        sent: u64,
        /// Since it began.
        took: Duration,
        /// Why it ended before its end, if it did.
        failure: Option<&'a dyn fmt::Display>,
    },
}

/// Something that DHCP did for a machine.
#[derive(Debug, Clone)]
pub struct Answered<'a> {
    /// Who asked.
    pub facts: &'a machine::Facts,
    /// The address it has now, when it is known.
    pub address: Option<IpAddr>,
    /// The image it was given.
    pub image: Option<&'a str>,
    /// What was done, for people.
    pub text: String,
    /// How much to care.
    pub level: Level,
}

/// Takes one line.
pub type Tell = dyn Fn(&Notice) + Send + Sync;

/// The place where every part of the server says what happens.
pub struct Recorder {
    machines: Arc<Machines>,
    tell: Box<Tell>,
    metrics: Metrics,
}

impl Recorder {
    /// Records into `machines` and tells `tell`, which must be quick.
    pub fn new(machines: Arc<Machines>, tell: Box<Tell>) -> Self {
        Self { machines, tell, metrics: Metrics::default() }
    }

    /// What has been counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The timelines.
    pub fn machines(&self) -> &Machines {
        &self.machines
    }

    /// Tells of something that is about no machine.
    pub fn note(&self, level: Level, text: impl fmt::Display) {
        (self.tell)(&Notice { level, ..Notice::of(text.to_string()) });
    }

    /// Tells of a DHCP answer, or why there is none.
    pub fn answered(&self, answered: Answered<'_>) {
        let Answered { facts, address, image, text, level } = answered;
        let (mac, who) = (facts.machine.mac, facts.to_string());
        let source = match facts.asker {
            Asker::Pxe | Asker::HttpBoot => Some(Source::Firmware),
            Asker::Ipxe | Asker::IpxeWithoutHttp => Some(Source::Ipxe),
            Asker::Agent => Some(Source::Agent),
            // A system that runs renews its lease: that is no part of a boot.
            Asker::Other => None,
        };
        if let Some(source) = source {
            let known = Facts {
                uuid: facts.machine.uuid.map(|uuid| uuid.to_string()),
                address,
                image: image.map(str::to_owned),
                platform: (source != Source::Agent).then(|| who.clone()),
                ..Facts::default()
            };
            let event = event(Stage::Dhcp, format!("{who}: {text}"));
            self.machines.record(Sighting { mac, facts: known, source, event, key: None });
        }
        let (mac, who, stage) = (Some(mac.to_string()), Some(who), Some(Stage::Dhcp));
        (self.tell)(&Notice { level, mac, address, who, stage, ..Notice::of(text) });
    }

    /// Tells that iPXE was given its script.
    pub fn scripted(&self, facts: &machine::Facts, address: IpAddr, image: Option<&str>, text: String) {
        let known = Facts {
            uuid: facts.machine.uuid.map(|uuid| uuid.to_string()),
            address: Some(address),
            image: image.map(str::to_owned),
            platform: Some(facts.to_string()),
            ..Facts::default()
        };
        let mac = facts.machine.mac;
        let event = event(Stage::Http, format!("iPXE: {text}"));
        self.machines.record(Sighting { mac, facts: known, source: Source::Ipxe, event, key: None });
        let (mac, who) = (Some(mac.to_string()), Some(facts.to_string()));
        (self.tell)(&Notice {
            mac,
            address: Some(address),
            who,
            stage: Some(Stage::Http),
            ..Notice::of(text)
        });
    }

    /// Tells of a transfer.
    pub fn transfer(&self, piece: &Piece<'_>, going: &Going<'_>) {
        if let Going::Ended { sent, failure, .. } = going {
            self.metrics.transferred(piece.stage, *sent, failure.is_none());
        }
        let mac = self.machines.at(piece.peer);
        let so_far = mac.and_then(|mac| self.machines.table().fetched(mac, piece.path));
        let Chapter { text, level, bytes, told } = chapter(piece, going, so_far);
        let mut who = None;
        if let Some(mac) = mac {
            let event = Event { bytes: Some(bytes), ..event(piece.stage, text.clone()) };
            let facts = Facts { address: Some(piece.peer), ..Facts::default() };
            let key = Some(piece.path.to_owned());
            let recorded =
                self.machines.record(Sighting { mac, facts, source: Source::Transfer, event, key });
            who = recorded.asker;
        }
        if told {
            let (mac, address) = (mac.map(|mac| mac.to_string()), Some(piece.peer));
            let bytes = (bytes > 0).then_some(bytes);
            (self.tell)(&Notice {
                level,
                mac,
                address,
                who,
                stage: Some(piece.stage),
                bytes,
                ..Notice::of(text)
            });
        }
    }

    /// Tells that a client asked for a file that is not there. Firmware tries names: not worth a line in
    /// a timeline.
    pub fn missed(&self, peer: IpAddr, stage: Stage, path: &str) {
        self.tell_of(peer, stage, Level::Info, format!("asked for {}, which is not here", clean(path)));
    }

    /// Tells that a client was not served.
    pub fn trouble(&self, peer: IpAddr, stage: Stage, text: String) {
        if let Some(mac) = self.machines.at(peer) {
            let facts = Facts { address: Some(peer), ..Facts::default() };
            let event = event(stage, text.clone());
            self.machines.record(Sighting { mac, facts, source: Source::Transfer, event, key: None });
        }
        self.tell_of(peer, stage, Level::Warning, clean(&text));
    }

    fn tell_of(&self, peer: IpAddr, stage: Stage, level: Level, text: String) {
        let mac = self.machines.at(peer);
        let who = mac.and_then(|mac| self.machines.table().machine(mac)?.asker.clone());
        let (mac, address) = (mac.map(|mac| mac.to_string()), Some(peer));
        (self.tell)(&Notice { level, mac, address, who, stage: Some(stage), ..Notice::of(text) });
    }

    /// Takes an agent's report about the machine `mac` in; how many events it had. The clock is the server's: events keep the
    /// distances that the machine's uptime gives them, the last one is now.
    pub fn report(&self, peer: IpAddr, mac: Mac, report: Report) -> usize {
        let now = now();
        let last = report.events.iter().rev().find_map(|event| event.uptime).unwrap_or_default();
        let facts = Facts {
            uuid: report.machine.uuid,
            serial: report.machine.serial,
            address: Some(peer),
            image: report.image,
            platform: None,
        };
        let mut count = 0;
        for event in report.events.into_iter().take(MAX_REPORTED) {
            let ago = event.uptime.map_or(0.0, |uptime| (last - uptime).max(0.0) * 1000.0);
            // `as` saturates, and NaN becomes 0.
            let event = Event { at: now.saturating_sub(ago as u64), ..event };
            self.reported(peer, mac, facts.clone(), event);
            count += 1;
        }
        // After the events, the first of which may begin a boot.
        if let Some(progress) = report.progress
            && let Some(gained) = self.machines.progressed(mac, progress)
        {
            self.metrics.gained(&gained);
        }
        count
    }

    fn reported(&self, peer: IpAddr, mac: Mac, facts: Facts, event: Event) {
        let (stage, text, bytes) = (event.stage, clean(&event.text), event.bytes);
        let sighting = Sighting { mac, facts, source: Source::Agent, event, key: None };
        let who = self.machines.record(sighting).asker;
        let level = if stage == Stage::Failure { Level::Warning } else { Level::Info };
        let (mac, address) = (Some(mac.to_string()), Some(peer));
        (self.tell)(&Notice { level, mac, address, who, stage: Some(stage), bytes, ..Notice::of(text) });
    }
}

/// What a transfer adds to the story of a file.
struct Chapter {
    text: String,
    level: Level,
    bytes: u64,
    /// Whether the operator is told: of the begin, the end and every failure, not of each range.
    told: bool,
}

/// `so_far`: bytes of the file that the machine has already, and since when, milliseconds since 1970. A
/// machine that is unknown has what comes before the range.
fn chapter(piece: &Piece<'_>, going: &Going<'_>, so_far: Option<(u64, u64)>) -> Chapter {
    let file = piece.path.strip_prefix("/images/").unwrap_or(piece.path);
    let (total, size) = (piece.total, Size(piece.total));
    let before = so_far.map_or(piece.range.start, |(bytes, _)| bytes);
    let chapter = |text, bytes, told| Chapter { text, level: Level::Info, bytes, told };
    let Going::Ended { sent, took, failure } = going else {
        let first = so_far.is_none() && piece.range.start == 0;
        return chapter(format!("fetches {file}, {size}"), 0, first && total >= SMALL);
    };
    if let Some(failure) = failure {
        let at = piece.range.start + sent;
        let text = format!("the transfer of {file} ended at byte {at} of {total}: {failure}");
        return Chapter { level: Level::Warning, ..chapter(text, *sent, true) };
    }
    if before + sent < total {
        return chapter(format!("fetches {file}, {size}"), *sent, false);
    }
    let since = so_far.map(|(_, since)| Duration::from_millis(now().saturating_sub(since)));
    let text = format!("fetched {file}, {size} in {}", Seconds(since.unwrap_or(*took)));
    chapter(text, *sent, before < total || total == 0)
}

fn event(stage: Stage, text: String) -> Event {
    Event { at: now(), uptime: None, stage, text, bytes: None, failed: None }
}

#[cfg(test)]
mod tests;
