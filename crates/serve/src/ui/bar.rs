//! A timeline as a bar: how long each part of a boot took.

use bootwright_image::timeline::Stage;

use crate::state::{Boot, Entry};

/// A part of a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// What the machine did.
    pub phase: Phase,
    /// For how long, in milliseconds.
    pub millis: u64,
}

/// What a machine is busy with, as people see it: several [stages](Stage) in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The firmware asks for an address and a boot file.
    Asks,
    /// Firmware or iPXE loads the kernel.
    Loads,
    /// Kernel and agent start: drivers, network.
    Starts,
    /// The agent fetches and verifies the root.
    Fetches,
    /// The system starts, up to its login prompt.
    Boots,
}

/// In the order of a boot.
pub const PHASES: [Phase; 5] = [Phase::Asks, Phase::Loads, Phase::Starts, Phase::Fetches, Phase::Boots];

impl Phase {
    /// For the legend.
    pub fn name(self) -> &'static str {
        match self {
            Self::Asks => "DHCP",
            Self::Loads => "firmware loads",
            Self::Starts => "kernel and agent start",
            Self::Fetches => "fetch and verify",
            Self::Boots => "system boots",
        }
    }

    /// The class in the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Self::Asks => "asks",
            Self::Loads => "loads",
            Self::Starts => "starts",
            Self::Fetches => "fetches",
            Self::Boots => "boots",
        }
    }

    /// What goes on after an event of that stage; `None` when it changes nothing.
    fn after(stage: Stage, now: Self) -> Option<Self> {
        // What the agent asks and fetches does not lead back to the firmware.
        let agent_runs = !matches!(now, Self::Asks | Self::Loads);
        match stage {
            Stage::Dhcp | Stage::Tftp | Stage::Http if agent_runs => None,
            Stage::Dhcp => Some(now),
            Stage::Tftp | Stage::Http => Some(Self::Loads),
            Stage::Agent | Stage::Devices | Stage::Network => Some(Self::Starts),
            Stage::Fetch => Some(Self::Fetches),
            Stage::Boot => Some(Self::Boots),
            Stage::System | Stage::Failure => None,
        }
    }
}

/// The bar of a boot: its segments, and its length in milliseconds.
pub fn bar(boot: &Boot) -> (Vec<Segment>, u64) {
    let mut segments: Vec<Segment> = Vec::new();
    let mut phase = Phase::Asks;
    let mut since = boot.started;
    let mut add = |phase, millis| match segments.last_mut() {
        Some(last) if last.phase == phase => last.millis += millis,
        _ if millis > 0 => segments.push(Segment { phase, millis }),
        _ => {}
    };
    let mut end = boot.started;
    for entry in &boot.entries {
        end = end.max(entry.event.at);
        let Some(next) = Phase::after(entry.event.stage, phase) else { continue };
        let at = begin(entry, next, phase).max(since);
        add(phase, at - since);
        (phase, since) = (next, at);
    }
    add(phase, end.saturating_sub(since));
    (segments, end - boot.started)
}

/// When the phase of an entry began. The agent's uptime tells when its kernel started.
fn begin(entry: &Entry, next: Phase, now: Phase) -> u64 {
    let from_firmware = next == Phase::Starts && matches!(now, Phase::Asks | Phase::Loads);
    let uptime = entry.event.uptime.filter(|_| from_firmware).unwrap_or_default();
    // `as` saturates, and NaN becomes 0.
    entry.since.saturating_sub((uptime * 1000.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bootwright_image::timeline::Event;
    use proptest::prelude::*;

    const STAGES: [Stage; 10] = [
        Stage::Dhcp,
        Stage::Tftp,
        Stage::Http,
        Stage::Agent,
        Stage::Devices,
        Stage::Network,
        Stage::Fetch,
        Stage::Boot,
        Stage::System,
        Stage::Failure,
    ];

    fn boot(started: u64, events: &[(u64, Stage)]) -> Boot {
        let mut boot = Boot { started, entries: Vec::new() };
        for (at, stage) in events {
            let event = Event {
                at: *at,
                uptime: None,
                stage: *stage,
                text: String::new(),
                bytes: None,
                failed: None,
            };
            boot.add(event, None);
        }
        boot
    }

    #[test]
    fn each_phase_lasts_until_the_next_begins() {
        use Stage::*;
        let boot = boot(
            0,
            &[(0, Dhcp), (10, Http), (40, Agent), (45, Dhcp), (50, Fetch), (70, Boot), (100, System)],
        );
        let (segments, length) = bar(&boot);
        let parts: Vec<_> = segments.iter().map(|segment| (segment.phase, segment.millis)).collect();
        let expected = [
            (Phase::Asks, 10),
            (Phase::Loads, 30),
            (Phase::Starts, 10),
            (Phase::Fetches, 20),
            (Phase::Boots, 30),
        ];
        assert_eq!((parts.as_slice(), length), (&expected[..], 100));
    }

    #[test]
    fn the_kernel_started_before_the_agent_by_its_uptime() {
        let mut boot = boot(0, &[(0, Stage::Dhcp), (10_000, Stage::Http)]);
        let text = String::new();
        boot.add(
            Event { at: 30_000, uptime: Some(8.0), stage: Stage::Agent, text, bytes: None, failed: None },
            None,
        );
        boot.add(
            Event {
                at: 40_000,
                uptime: Some(18.0),
                stage: Stage::System,
                text: "".into(),
                bytes: None,
                failed: None,
            },
            None,
        );
        let (segments, _) = bar(&boot);
        let expected = [
            Segment { phase: Phase::Asks, millis: 10_000 },
            Segment { phase: Phase::Loads, millis: 12_000 },
            Segment { phase: Phase::Starts, millis: 18_000 },
        ];
        assert_eq!(segments, expected);
    }

    proptest! {
        #[test]
        fn segments_add_up_to_the_whole(started in 0u64..1000, events in proptest::collection::vec((0u64..5000, 0usize..10), 0..20)) {
            let events: Vec<_> = events.iter().map(|(at, stage)| (*at, STAGES[*stage])).collect();
            let (segments, length) = bar(&boot(started, &events));
            prop_assert_eq!(segments.iter().map(|segment| segment.millis).sum::<u64>(), length);
        }
    }
}
