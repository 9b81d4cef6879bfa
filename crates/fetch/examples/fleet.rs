//! Plays fleets over a simulated network and prints how long the last machine takes, and what leaves the
//! origin: `fleet [SEED]`.

use bootwright_fetch::sim::{Scenario, mbit};

fn main() {
    let seed = std::env::args().nth(1).and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let list: Vec<usize> = std::env::args().nth(2).map_or(vec![1, 2, 4, 8, 16, 24], |l| l.split(',').map(|n| n.parse().unwrap()).collect());
    for machines in list {
        let scenario = Scenario::even(machines, 64 << 20, mbit(80), seed);
        let outcome = scenario.run();
        let bound = scenario.size as f64 / mbit(80) as f64;
        let last = outcome.last().map_or(f64::NAN, |last| last.as_secs_f64());
        println!(
            "{machines:6} machines: {last:6.2} s, {:.2} of the bound; origin {:.3} of the image; wasted {:.3}",
            last / bound,
            outcome.origin_bytes as f64 / scenario.size as f64,
            outcome.wasted as f64 / scenario.size as f64
        );
    }
}
