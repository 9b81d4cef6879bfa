//! Plays fleets over a simulated network: how long the last machine takes, and what leaves the origin.
//!
//!     fleet [SEED]                    small fleets, every block
//!     fleet curve SEED MACHINES…      large ones, in quarters of chunks

use std::sync::{Mutex, PoisonError};
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
            large(seed, rest.iter().skip(1).map(number).collect());
        }
        _ => small(words.first().map_or(1, number)),
    }
}

/// Plays fleets side by side, the largest first, and prints of each: machines, time in bounds, copies out of the
/// origin, apart by tabs.
fn large(seed: u64, mut machines: Vec<u64>) {
    machines.sort_unstable();
    let left = Mutex::new(machines);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap_or_else(PoisonError::into_inner).pop();
                    let Some(machines) = next else { return };
                    let even = Scenario::even(machines as usize, SIZE, RATE, seed);
                    let outcome = Scenario { grain: Grain::Quarters, ..even }.run();
                    let last = outcome.last().map_or(f64::NAN, |last| last.as_secs_f64());
                    let (time, origin) =
                        (last * RATE as f64 / SIZE as f64, outcome.origin_bytes as f64 / SIZE as f64);
                    println!("{machines}\t{time:.3}\t{origin:.3}");
                }
            });
        }
    });
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
