use bootwright_image::timeline::{Event, Stage};
use proptest::prelude::*;

use super::table::{MAX_ALL_ENTRIES, MAX_MACHINES};
use super::*;

fn mac(n: u32) -> Mac {
    let [a, b, c, d] = n.to_be_bytes();
    Mac([0x52, 0x54, a, b, c, d])
}

fn seen(n: u32, at: u64, stage: Stage, text: &str) -> Sighting {
    let source = if stage == Stage::Dhcp { Source::Firmware } else { Source::Agent };
    let event = Event { at, uptime: None, stage, text: text.into(), bytes: None, failed: None };
    Sighting { mac: mac(n), facts: Facts::default(), source, event, key: None }
}

fn stages(machines: &Machines, n: u32) -> Vec<Stage> {
    let table = machines.table();
    table.machine(mac(n)).unwrap().boot.entries.iter().map(|entry| entry.event.stage).collect()
}

/// Every machine without what only matters while it boots.
fn everything(machines: &Machines) -> Vec<(Mac, Machine)> {
    let mut all: Vec<_> = machines.table().machines().map(|(mac, machine)| (mac, machine.clone())).collect();
    all.iter_mut().for_each(|(_, machine)| machine.asker = None);
    all
}

#[test]
fn a_restart_keeps_every_boot_as_it_was() {
    let place = tempfile::tempdir().unwrap();
    let before = {
        let (machines, _) = Machines::open(place.path()).unwrap();
        machines.record(seen(1, 10, Stage::Dhcp, "offered"));
        machines.save().unwrap();
        machines.record(seen(1, 20, Stage::System, "up"));
        machines.record(seen(1, 30, Stage::Dhcp, "offered again"));
        let mut facts = seen(2, 5, Stage::Agent, "hello");
        facts.facts.address = Some(IpAddr::from([10, 0, 0, 7]));
        machines.record(facts);
        machines.save().unwrap();
        everything(&machines)
    };
    let (machines, loaded) = Machines::open(place.path()).unwrap();
    assert_eq!(loaded.damaged, 0);
    let after = everything(&machines);
    assert_eq!(before, after);
    assert_eq!(after[0].1.boots_seen, 2);
    assert_eq!(machines.at(IpAddr::from([10, 0, 0, 7])), Some(mac(2)));
}

#[test]
fn a_torn_last_line_costs_that_line_only() {
    let place = tempfile::tempdir().unwrap();
    let (machines, _) = Machines::open(place.path()).unwrap();
    machines.record(seen(1, 10, Stage::Dhcp, "kept"));
    machines.save().unwrap();
    machines.record(seen(2, 20, Stage::Dhcp, "torn"));
    machines.save().unwrap();
    let path = place.path().join("machines.jsonl");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
    let (machines, loaded) = Machines::open(place.path()).unwrap();
    assert_eq!(loaded, Loaded { lines: 1, damaged: 1 });
    machines.record(seen(3, 30, Stage::Dhcp, "after"));
    machines.save().unwrap();
    let (machines, _) = Machines::open(place.path()).unwrap();
    assert_eq!(stages(&machines, 1), [Stage::Dhcp]);
    assert_eq!(stages(&machines, 3), [Stage::Dhcp]);
}

#[test]
fn compacting_loses_nothing() {
    let place = tempfile::tempdir().unwrap();
    let (machines, _) = Machines::open(place.path()).unwrap();
    for at in 0..50 {
        machines.record(seen(at as u32 % 3, at, Stage::Agent, "event"));
        machines.save().unwrap();
    }
    let path = place.path().join("machines.jsonl");
    let long = std::fs::metadata(&path).unwrap().len();
    let everything = machines.table().snapshot();
    machines.journal.lock().unwrap().as_mut().unwrap().compact(&everything).unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() < long);
    machines.record(seen(0, 60, Stage::System, "after"));
    machines.save().unwrap();
    let (again, _) = Machines::open(place.path()).unwrap();
    assert_eq!(stages(&again, 0), stages(&machines, 0));
}

#[test]
fn invented_addresses_push_out_each_other_and_not_machines_that_booted() {
    let machines = Machines::in_memory();
    machines.record(seen(0, 1, Stage::System, "up"));
    for n in 1..=MAX_MACHINES as u32 + 10 {
        machines.record(seen(n, u64::from(n) + 1, Stage::Dhcp, "hello"));
    }
    assert_eq!(machines.table().machines().count(), MAX_MACHINES);
    assert_eq!(stages(&machines, 0), [Stage::System]);
}

#[test]
fn a_flood_of_events_is_bounded_in_all() {
    let machines = Machines::in_memory();
    for n in 0..MAX_ALL_ENTRIES as u32 + 1000 {
        machines.record(seen(n % 2000, u64::from(n), Stage::Agent, "event"));
    }
    let table = machines.table();
    let all: usize =
        table.machines().flat_map(|(_, machine)| machine.boots()).map(|boot| boot.entries.len()).sum();
    assert!(all <= MAX_ALL_ENTRIES);
    assert!(table.machines().all(|(_, machine)| machine.boot.entries.len() <= 200));
}

#[test]
fn a_report_from_another_card_goes_to_the_machine_of_that_uuid() {
    let machines = Machines::in_memory();
    let mut first = seen(1, 1, Stage::Dhcp, "offered");
    first.facts.uuid = Some("u".into());
    machines.record(first);
    assert_eq!(machines.table().reporter(mac(9), Some("u")), mac(1));
    assert_eq!(machines.table().reporter(mac(9), None), mac(9));
    let mut second = seen(2, 1, Stage::Dhcp, "offered");
    second.facts.uuid = Some("u".into());
    machines.record(second);
    assert_eq!(machines.table().reporter(mac(9), Some("u")), mac(9), "two machines of one UUID");
}

#[test]
fn texts_are_one_line_and_short() {
    assert_eq!(clean("a\u{1b}[31m\nb"), "a [31m b");
    assert!(clean(&"é".repeat(1000)).len() <= 300);
}

proptest! {
    #[test]
    fn no_journal_makes_the_server_fail_to_start(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("machines.jsonl"), bytes).unwrap();
        prop_assert!(Machines::open(place.path()).is_ok());
    }
}
