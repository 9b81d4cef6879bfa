//! Every machine that was seen, in bounded memory.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

use bootwright_image::timeline::{self, Event, MachineId, Progress, Stage};
use bootwright_netboot::Mac;

use super::boot::{Boot, Entry, MAX_ENTRIES, Source};
use super::failure;
use super::progress::{Gained, bounded, gained};

/// Machines that are remembered: more than a server has in its broadcast domain. Those that never
/// booted make room first, since anyone can invent addresses.
pub const MAX_MACHINES: usize = 16_384;

/// Entries that are remembered of all machines together: at most 80 MB of text.
pub const MAX_ALL_ENTRIES: usize = 200_000;

/// Boots of one machine that are remembered beside the current one.
const MAX_EARLIER: usize = 3;

/// Bytes of a text that comes from outside: a line for people.
const MAX_TEXT: usize = 300;

/// One machine.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Machine {
    /// What it tells of itself.
    pub facts: Facts,
    /// Boots that were seen, those that are forgotten included.
    pub boots_seen: u32,
    /// The boot that goes on, or the last one.
    pub boot: Boot,
    /// Those before it, oldest first.
    pub earlier: VecDeque<Boot>,
    /// How far it is with its root in this boot, as it says. Not kept over a restart of the server.
    pub progress: Option<Progress>,
    /// The program that was heard of last: firmware, iPXE or the agent.
    pub asker: Option<String>,
    /// When it was last heard of, milliseconds since 1970.
    pub last: u64,
    /// Per boot (by its start) the first entry that the journal does not hold yet.
    unsaved: BTreeMap<u64, usize>,
}

/// What is known of a machine beside its MAC. What is absent here leaves what is known as it is.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Facts {
    /// SMBIOS UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// SMBIOS serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Its last address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// `UEFI x64 HTTP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The image it boots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// Something that was seen of a machine.
#[derive(Debug, Clone)]
pub struct Sighting {
    /// The machine.
    pub mac: Mac,
    /// What it tells of itself.
    pub facts: Facts,
    /// Where this was seen.
    pub source: Source,
    /// What happened.
    pub event: Event,
    /// Merges events of the same key within a boot.
    pub key: Option<String>,
}

/// What became of a sighting.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The entry that now holds it.
    pub entry: Entry,
    /// The program that the machine runs now, for the line that tells of it.
    pub asker: Option<String>,
}

/// The table.
#[derive(Debug, Default)]
pub struct Table {
    machines: BTreeMap<Mac, Machine>,
    addresses: HashMap<IpAddr, Mac>,
    entries: usize,
}

impl Table {
    /// The machine that last had this address.
    pub fn by_address(&self, address: IpAddr) -> Option<Mac> {
        self.addresses.get(&address).copied()
    }

    /// The machine that a report is about: that of its MAC, else the only one of its UUID, since the
    /// agent may come up on another card than the firmware.
    pub fn reporter(&self, mac: Mac, uuid: Option<&str>) -> Mac {
        if self.machines.contains_key(&mac) {
            return mac;
        }
        let same = |machine: &Machine| uuid.is_some() && machine.facts.uuid.as_deref() == uuid;
        let mut all = self.machines.iter().filter(|(_, machine)| same(machine));
        match (all.next(), all.next()) {
            (Some((other, _)), None) => *other,
            _ => mac,
        }
    }

    /// Takes a sighting in.
    pub fn record(&mut self, sighting: Sighting) -> Recorded {
        let Sighting { mac, facts, source, event, key } = sighting;
        let event = failure::bounded(event);
        self.make_room(mac);
        let machine = self.machines.entry(mac).or_default();
        if let Some(address) = facts.address {
            machine.facts.address.and_then(|old| self.addresses.remove(&old));
            self.addresses.insert(address, mac);
        }
        match source {
            Source::Firmware | Source::Ipxe => {
                machine.asker = facts.platform.clone().or(machine.asker.take());
            }
            Source::Agent => machine.asker = Some("agent".to_owned()),
            Source::Transfer => {}
        }
        machine.facts.learn(facts, source);
        let before = machine.entries();
        let entry = machine.record(source, event, key);
        self.entries = self.entries - before + machine.entries();
        Recorded { entry, asker: machine.asker.clone() }
    }

    /// Takes in how far a machine says that it is, when the machine is known.
    pub fn progressed(&mut self, mac: Mac, told: Progress) -> Option<Gained> {
        let machine = self.machines.get_mut(&mac)?;
        let told = bounded(told);
        let gained = gained(machine.progress.as_ref(), &told);
        machine.progress = Some(told);
        Some(gained)
    }

    /// Every machine, by MAC.
    pub fn machines(&self) -> impl Iterator<Item = (Mac, &Machine)> {
        self.machines.iter().map(|(mac, machine)| (*mac, machine))
    }

    /// One machine.
    pub fn machine(&self, mac: Mac) -> Option<&Machine> {
        self.machines.get(&mac)
    }

    /// Puts back what a journal held: the entries of one boot from `saved.from` on.
    pub(super) fn restore(&mut self, mac: Mac, saved: Saved) {
        self.make_room(mac);
        let machine = self.machines.entry(mac).or_default();
        if let Some(address) = saved.facts.address {
            self.addresses.insert(address, mac);
        }
        let before = machine.entries();
        machine.restore(saved);
        self.entries = self.entries - before + machine.entries();
    }

    /// Bytes of the file `key` that a machine has fetched in this boot, and since when; `None` when it
    /// has not begun.
    pub fn fetched(&self, mac: Mac, key: &str) -> Option<(u64, u64)> {
        let entry = self.machines.get(&mac)?.boot.find(key)?;
        Some((entry.event.bytes.unwrap_or(0), entry.since))
    }

    /// What changed since this was last called.
    pub(super) fn take_unsaved(&mut self) -> Vec<(Mac, Saved)> {
        let take = |(mac, machine): (&Mac, &mut Machine)| {
            machine.take_unsaved().into_iter().map(|saved| (*mac, saved)).collect::<Vec<_>>()
        };
        self.machines.iter_mut().flat_map(take).collect()
    }

    /// Everything.
    pub(super) fn snapshot(&self) -> Vec<(Mac, Saved)> {
        let all = |(mac, machine): (&Mac, &Machine)| {
            machine.boots().map(|boot| (*mac, machine.saved(boot, 0))).collect::<Vec<_>>()
        };
        self.machines.iter().flat_map(all).collect()
    }

    /// Forgets machines until one more, with one more entry, fits.
    fn make_room(&mut self, newcomer: Mac) {
        let known = self.machines.contains_key(&newcomer);
        while self.entries >= MAX_ALL_ENTRIES || (!known && self.machines.len() >= MAX_MACHINES) {
            let others = self.machines.iter().filter(|(mac, _)| **mac != newcomer);
            let Some(least) = others.min_by_key(|(_, machine)| (machine.booted(), machine.last)) else {
                return;
            };
            let mac = *least.0;
            if let Some(gone) = self.machines.remove(&mac) {
                self.entries -= gone.entries();
                self.addresses.retain(|_, owner| *owner != mac);
            }
        }
    }
}

/// What the journal holds of one boot.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Saved {
    pub facts: Facts,
    pub boots_seen: u32,
    /// Which boot.
    pub started: u64,
    /// Entries before this one stay, all others are replaced.
    pub from: usize,
    pub entries: Vec<Entry>,
}

impl Machine {
    /// All boots that are remembered, oldest first.
    pub fn boots(&self) -> impl Iterator<Item = &Boot> {
        self.earlier.iter().chain(std::iter::once(&self.boot))
    }

    fn entries(&self) -> usize {
        self.boots().map(|boot| boot.entries.len()).sum()
    }

    fn booted(&self) -> bool {
        let mut entries = self.boots().flat_map(|boot| &boot.entries);
        entries.any(|entry| entry.event.stage > Stage::Dhcp)
    }

    fn record(&mut self, source: Source, event: Event, key: Option<String>) -> Entry {
        self.last = event.at;
        if self.boots_seen == 0 || self.boot.is_over(source, &event) {
            self.begin(event.at);
        }
        let (index, entry) = self.boot.add(event, key);
        let unsaved = self.unsaved.entry(self.boot.started).or_insert(index);
        *unsaved = index.min(*unsaved);
        if self.boot.entries.len() > MAX_ENTRIES {
            // Many at once, since the journal has to write all that moved.
            self.boot.entries.drain(..MAX_ENTRIES / 4);
            *unsaved = 0;
        }
        entry
    }

    fn begin(&mut self, started: u64) {
        self.progress = None;
        let old = std::mem::replace(&mut self.boot, Boot { started, entries: Vec::new() });
        if self.boots_seen > 0 {
            self.earlier.push_back(old);
        }
        self.boots_seen = self.boots_seen.saturating_add(1);
        if self.earlier.len() > MAX_EARLIER
            && let Some(gone) = self.earlier.pop_front()
        {
            self.unsaved.remove(&gone.started);
        }
    }

    fn restore(&mut self, saved: Saved) {
        if !self.boots().any(|boot| boot.started == saved.started) || self.boots_seen == 0 {
            self.begin(saved.started);
        }
        self.facts = saved.facts;
        self.boots_seen = saved.boots_seen.max(1);
        let mut boots = self.earlier.iter_mut().chain(std::iter::once(&mut self.boot));
        let Some(boot) = boots.find(|boot| boot.started == saved.started) else { return };
        boot.entries.truncate(saved.from);
        boot.entries.extend(saved.entries);
        boot.entries.truncate(MAX_ENTRIES);
        let last = boot.entries.last().map_or(saved.started, |entry| entry.event.at);
        self.last = self.last.max(last);
    }

    fn take_unsaved(&mut self) -> Vec<Saved> {
        let unsaved = std::mem::take(&mut self.unsaved);
        let save = |boot: &Boot| Some(self.saved(boot, *unsaved.get(&boot.started)?));
        self.boots().filter_map(save).collect()
    }

    fn saved(&self, boot: &Boot, from: usize) -> Saved {
        Saved {
            facts: self.facts.clone(),
            boots_seen: self.boots_seen,
            started: boot.started,
            from,
            entries: boot.entries.get(from..).unwrap_or_default().to_vec(),
        }
    }

    /// As the API tells of it.
    pub fn tell(&self, mac: Mac) -> timeline::Machine {
        timeline::Machine {
            id: MachineId {
                mac: mac.to_string(),
                uuid: self.facts.uuid.clone(),
                serial: self.facts.serial.clone(),
            },
            address: self.facts.address,
            platform: self.facts.platform.clone(),
            image: self.facts.image.clone(),
            boots: self.boots_seen,
            progress: self.progress.clone(),
            events: self.boot.entries.iter().map(|entry| entry.event.clone()).collect(),
        }
    }
}

impl Facts {
    fn learn(&mut self, new: Self, source: Source) {
        let text = |old: &mut Option<String>, new: Option<String>| {
            if let Some(new) = new {
                *old = Some(clean(&new));
            }
        };
        text(&mut self.uuid, new.uuid);
        text(&mut self.serial, new.serial);
        text(&mut self.image, new.image);
        // What comes later in a boot would hide which firmware the machine has.
        if source == Source::Firmware || self.platform.is_none() {
            text(&mut self.platform, new.platform);
        }
        self.address = new.address.or(self.address);
    }
}

/// One line of bounded length without control characters: it goes to terminals.
pub fn clean(text: &str) -> String {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.get(..end).unwrap_or_default().chars().map(shown).collect()
}
