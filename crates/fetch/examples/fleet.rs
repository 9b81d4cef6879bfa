//! Plays fleets over a simulated network: how long the last machine takes, and what leaves the origin.
//!
//!     fleet [SEED]                    small fleets, every block
//!     fleet curve SEED MACHINES…      large ones, in quarters of chunks

use std::time::Duration;

use bootwright_fetch::sim::{Grain, Link, Scenario, mbit};

const SIZE: u64 = 64 << 20;
const RATE: u64 = mbit(80);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |word: &String| word.parse().unwrap_or(1);
    match words.split_first() {
        Some((curve, rest)) if curve == "curve" => {
            let seed = rest.first().map_or(1, number);
            for machines in rest.iter().skip(1).map(number) {
                let even = Scenario::even(machines as usize, SIZE, RATE, seed);
                play("at once", &Scenario { grain: Grain::Quarters, ..even });
            }
        }
        _ => small(words.first().map_or(1, number)),
    }
}

fn small(seed: u64) {
    for machines in [1, 2, 3, 4, 8, 16, 24] {
        play("at once", &Scenario::even(machines, SIZE, RATE, seed));
    }
    let mut scenario = Scenario::even(16, SIZE, RATE, seed);
    for (at, machine) in (0..).zip(&mut scenario.machines) {
        machine.start = Duration::from_millis(333 * at);
    }
    play("starts spread over 5 s", &scenario);
    let mut scenario = Scenario::even(16, SIZE, RATE, seed);
    for machine in scenario.machines.iter_mut().step_by(4) {
        machine.link = Link { up: RATE / 4, down: RATE };
    }
    play("a quarter with a slow uplink", &scenario);
    let mut scenario = Scenario::even(16, SIZE, RATE, seed);
    for machine in scenario.machines.iter_mut().step_by(3) {
        machine.killed = Some((Duration::from_secs(3), Duration::from_secs(1)));
    }
    play("a third killed and back", &scenario);
    let scenario = Scenario { origin_dies: true, ..Scenario::even(16, SIZE, RATE, seed) };
    play("the origin dies after one copy", &scenario);
}

fn play(what: &str, scenario: &Scenario) {
    let outcome = scenario.run();
    let bound = scenario.size as f64 / RATE as f64;
    let last = outcome.last().map_or(f64::NAN, |last| last.as_secs_f64());
    println!(
        "{:6} machines, {what}: {last:6.2} s, {:.2} of the bound; origin {:.3} of the image; wasted {:.4}",
        scenario.machines.len(),
        last / bound,
        outcome.origin_bytes as f64 / scenario.size as f64,
        outcome.wasted as f64 / scenario.size as f64 / scenario.machines.len() as f64,
    );
}
