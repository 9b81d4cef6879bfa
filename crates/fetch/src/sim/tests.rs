//! Bounds on what the policy takes, in time and in bytes of the origin.
//!
//! The bound is one copy over one link. The network that is simulated spends 4 % on headers.

use super::*;

const SIZE: u64 = 16 << 20;
const RATE: u64 = mbit(80);

/// The time of the last machine in bounds, and the origin's bytes in images.
fn judge(scenario: &Scenario) -> (f64, f64) {
    let outcome = scenario.run();
    let last = outcome.last().expect("a machine did not get the image").as_secs_f64();
    let bound = scenario.size as f64 / scenario.origin.up as f64;
    (last / bound, outcome.origin_bytes as f64 / scenario.size as f64)
}

fn even(machines: usize) -> Scenario {
    Scenario::even(machines, SIZE, RATE, 1)
}

#[test]
fn a_lone_machine_loses_nothing() {
    let (time, origin) = judge(&even(1));
    assert!(time < 1.08 && origin < 1.001, "{time} {origin}");
}

#[test]
fn the_last_of_a_fleet_is_done_in_a_quarter_more_than_one_copy_takes() {
    for machines in [4, 12] {
        let (time, origin) = judge(&even(machines));
        // A quarter of the image of the measurements: what starting takes weighs four times as much.
        assert!(time < 1.45 && origin < 1.15, "{machines} machines: {time} {origin}");
    }
}

#[test]
fn a_fleet_with_more_machines_than_connections_keeps_near_the_bound() {
    // Each machine knows a third of the others at most.
    let fleet = Scenario { grain: Grain::Quarters, connections: 10, ..even(60) };
    let (time, origin) = judge(&fleet);
    // What starting takes weighs four times as much as in the measurements.
    assert!(time < 2.0 && origin < 1.15, "{time} {origin}");
}

#[test]
fn the_same_seed_plays_the_same_fleet() {
    assert_eq!(even(4).run(), even(4).run());
}

#[test]
fn a_machine_that_comes_late_is_as_fast_as_the_first() {
    let mut scenario = even(6);
    scenario.machines[5].start = Duration::from_secs(10);
    let outcome = scenario.run();
    let took = outcome.done[5].unwrap() - Duration::from_secs(10);
    assert!(took.as_secs_f64() < 1.15 * SIZE as f64 / RATE as f64, "{took:?}");
}

#[test]
fn a_third_that_is_killed_and_comes_back_finds_the_others() {
    let mut scenario = even(9);
    for machine in scenario.machines.iter_mut().step_by(3) {
        machine.killed = Some((Duration::from_millis(700), Duration::from_millis(300)));
    }
    let (time, origin) = judge(&scenario);
    assert!(time < 1.6 && origin < 1.3, "{time} {origin}");
}

#[test]
fn a_fleet_finishes_when_the_origin_dies_after_one_copy() {
    let (time, origin) = judge(&Scenario { origin_dies: true, ..even(8) });
    assert!(time < 1.4 && origin < 1.01, "{time} {origin}");
}

#[test]
fn slow_uplinks_do_not_hold_up_those_who_have_faster_ones() {
    let mut scenario = even(8);
    for machine in scenario.machines.iter_mut().step_by(4) {
        machine.link.up = RATE / 4;
    }
    let (time, origin) = judge(&scenario);
    assert!(time < 2.0 && origin < 1.3, "{time} {origin}");
}
