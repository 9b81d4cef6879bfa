//! Two machines' timelines, side by side, as the server tells them at `/v1/machines`.

use bootwright_image::timeline;
use bootwright_vm::Machine;

/// Columns of text that one machine gets.
const WIDTH: usize = 58;

/// What happened to one machine.
pub struct Timeline {
    /// Firmware and road.
    pub label: &'static str,
    /// Oldest first.
    pub events: Vec<Told>,
}

/// One event of it.
pub struct Told {
    /// Seconds since the machine's first packet.
    pub seconds: f64,
    /// What happened.
    pub text: String,
}

/// The current boot of each machine.
pub fn read(told: &[timeline::Machine], machines: &[(&'static str, Machine)]) -> Vec<Timeline> {
    let of = |(label, machine): &(&'static str, Machine)| {
        let found = told.iter().find(|candidate| candidate.id.mac == machine.mac());
        Timeline { label, events: found.map(events).unwrap_or_default() }
    };
    machines.iter().map(of).collect()
}

fn events(machine: &timeline::Machine) -> Vec<Told> {
    let started = machine.events.first().map_or(0, |event| event.at);
    let told = |event: &timeline::Event| Told {
        seconds: event.at.saturating_sub(started) as f64 / 1000.0,
        text: event.text.clone(),
    };
    machine.events.iter().map(told).collect()
}

/// The timelines as columns, each event at its second.
pub fn side_by_side(timelines: &[Timeline]) -> String {
    let mut rows: Vec<(f64, usize, &str)> = Vec::new();
    for (column, timeline) in timelines.iter().enumerate() {
        rows.extend(timeline.events.iter().map(|event| (event.seconds, column, event.text.as_str())));
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let cells = |texts: &[String]| {
        let padded: Vec<String> = texts.iter().map(|text| format!("{text:WIDTH$}")).collect();
        padded.join(" │ ").trim_end().to_owned()
    };
    let heads: Vec<String> = timelines.iter().map(|timeline| timeline.label.to_owned()).collect();
    let mut text = format!("  seconds  {}\n", cells(&heads));
    text.push_str(&format!("  ───────  {}\n", vec!["─".repeat(WIDTH); timelines.len()].join("─┼─")));
    for (seconds, column, event) in rows {
        let mut texts = vec![String::new(); timelines.len()];
        if let Some(cell) = texts.get_mut(column) {
            *cell = shorten(event);
        }
        text.push_str(&format!("  {seconds:7.1}  {}\n", cells(&texts)));
    }
    text
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= WIDTH {
        return text.to_owned();
    }
    let kept: String = text.chars().take(WIDTH - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_stand_in_their_machines_column_in_the_order_of_time() {
        let told = |seconds, text: &str| Told { seconds, text: text.to_owned() };
        let timelines = [
            Timeline { label: "one", events: vec![told(0.0, "a"), told(2.0, "b")] },
            Timeline { label: "two", events: vec![told(1.0, "c")] },
        ];
        let text = side_by_side(&timelines);
        let order: Vec<usize> =
            ["a", "c", "b"].iter().filter_map(|event| text.find(&format!("  {event}"))).collect();
        assert!(order.is_sorted() && text.contains("│ c"), "{text}");
    }

    #[test]
    fn a_long_event_is_cut_at_a_letter() {
        assert_eq!(shorten(&"ä".repeat(100)).chars().count(), WIDTH);
    }
}
