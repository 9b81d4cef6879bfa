//! One boot of one machine, and what begins a new one.

use bootwright_image::timeline::{Event, Stage};
use serde::{Deserialize, Serialize};

/// Entries kept of one boot: a lawful one has some thirty, a machine that retries for days more than
/// anyone reads. The newest ones are kept.
pub const MAX_ENTRIES: usize = 200;

/// How far back entries of one key are merged: bounds the search.
const MERGE_DEPTH: usize = 32;

/// Firmware that asks again within this time goes on with the boot that it began, in milliseconds.
const SAME_BOOT_MS: u64 = 10 * 60 * 1000;

/// One line of a timeline. Events that repeat (ranges of one file) are merged into one entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The event; its time is that of the last one merged.
    #[serde(flatten)]
    pub event: Event,
    /// When the first one came, milliseconds since 1970.
    pub since: u64,
    /// What is merged: the path of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How many were merged.
    pub count: u32,
}

/// From the first packet of firmware to the system that runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Boot {
    /// When it began, milliseconds since 1970.
    pub started: u64,
    /// What happened, oldest first.
    pub entries: Vec<Entry>,
}

/// Where the server learns of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A packet of firmware: where boots begin.
    Firmware,
    /// A packet or request of iPXE, which may be a card's own boot ROM or chainloaded.
    Ipxe,
    /// A packet or report of the agent.
    Agent,
    /// A transfer, which never begins a boot.
    Transfer,
}

impl Boot {
    /// Whether `event` belongs to a boot after this one.
    pub fn is_over(&self, source: Source, event: &Event) -> bool {
        let Some(last) = self.entries.iter().max_by_key(|entry| entry.event.at) else { return false };
        let reached = |stage| self.entries.iter().any(|entry| entry.event.stage >= stage);
        match source {
            Source::Transfer => false,
            Source::Firmware | Source::Ipxe => {
                reached(Stage::Agent) || event.at.saturating_sub(last.event.at) > SAME_BOOT_MS
            }
            // Kexec starts the agent anew within a boot; only an end can be followed by a beginning.
            Source::Agent => {
                matches!(last.event.stage, Stage::System | Stage::Failure)
                    && matches!(event.stage, Stage::Dhcp | Stage::Agent)
            }
        }
    }

    /// The latest entry of that key.
    pub fn find(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().rev().take(MERGE_DEPTH).find(|entry| entry.key.as_deref() == Some(key))
    }

    /// Adds an event, or merges it into the entry of the same key; where the entry stands, and the entry. A boot
    /// keeps the parts of its last failure only.
    pub fn add(&mut self, event: Event, key: Option<String>) -> (usize, Entry) {
        if event.failed.is_some() {
            self.entries.iter_mut().for_each(|entry| entry.event.failed = None);
        }
        let recent = self.entries.len().saturating_sub(MERGE_DEPTH);
        let same = self.entries.iter().skip(recent).rposition(|entry| key.is_some() && entry.key == key);
        if let Some(index) = same.map(|index| index + recent)
            && let Some(entry) = self.entries.get_mut(index)
        {
            let bytes = entry.event.bytes.unwrap_or(0).saturating_add(event.bytes.unwrap_or(0));
            entry.event = Event { bytes: Some(bytes), ..event };
            entry.count = entry.count.saturating_add(1);
            return (index, entry.clone());
        }
        let entry = Entry { since: event.at, event, key, count: 1 };
        // An agent reports what happened before it had a network.
        let earlier = self.entries.iter().rposition(|other| other.since <= entry.since);
        let index = earlier.map_or(0, |index| index + 1);
        self.entries.insert(index, entry.clone());
        (index, entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: u64, stage: Stage) -> Event {
        Event { at, uptime: None, stage, text: String::new(), bytes: Some(5), failed: None }
    }

    fn boot(stages: &[Stage]) -> Boot {
        let mut boot = Boot::default();
        for stage in stages {
            boot.add(event(0, *stage), None);
        }
        boot
    }

    #[test]
    fn firmware_that_asks_again_goes_on_until_an_agent_ran() {
        let ask = event(1000, Stage::Dhcp);
        assert!(!boot(&[Stage::Dhcp, Stage::Http]).is_over(Source::Firmware, &ask));
        assert!(boot(&[Stage::Dhcp, Stage::Agent]).is_over(Source::Firmware, &ask));
        assert!(boot(&[Stage::Dhcp, Stage::Failure]).is_over(Source::Firmware, &ask));
        let next_day = event(24 * 3600 * 1000, Stage::Dhcp);
        assert!(boot(&[Stage::Dhcp]).is_over(Source::Firmware, &next_day));
    }

    #[test]
    fn a_second_agent_after_kexec_is_the_same_boot_and_after_an_end_another() {
        let begins = event(1000, Stage::Agent);
        assert!(!boot(&[Stage::Agent, Stage::Boot]).is_over(Source::Agent, &begins));
        assert!(boot(&[Stage::Agent, Stage::System]).is_over(Source::Agent, &begins));
        assert!(!boot(&[Stage::Failure]).is_over(Source::Agent, &event(1000, Stage::Failure)));
    }

    #[test]
    fn what_is_reported_late_takes_its_place() {
        let mut boot = Boot::default();
        for (at, stage) in [(10, Stage::Dhcp), (40, Stage::Http), (30, Stage::Agent), (40, Stage::Network)] {
            boot.add(event(at, stage), None);
        }
        let stages: Vec<_> = boot.entries.iter().map(|entry| entry.event.stage).collect();
        assert_eq!(stages, [Stage::Dhcp, Stage::Agent, Stage::Http, Stage::Network]);
    }

    #[test]
    fn ranges_of_one_file_are_one_entry() {
        let mut boot = Boot::default();
        boot.add(event(10, Stage::Http), Some("root.img".into()));
        boot.add(event(11, Stage::Http), Some("root.json".into()));
        assert_eq!(boot.add(event(20, Stage::Http), Some("root.img".into())).0, 0);
        let entry = &boot.entries[0];
        assert_eq!((entry.since, entry.event.at, entry.event.bytes, entry.count), (10, 20, Some(10), 2));
    }
}
