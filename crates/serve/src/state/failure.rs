//! Why machines say that their boots failed. It is what they say: bounded here, and believed nowhere.

use bootwright_image::timeline::{Event, Failed, Stage, Tried};

use super::clean;

/// Things that one machine may say it has tried: a lawful one has a few interfaces and mirrors. With one failure a
/// boot ([`super::boot::Boot::add`]) all machines together hold less than 180 MB of them.
const MAX_TRIED: usize = 8;

/// Makes an event harmless: one line a text, and not too many of them.
pub(super) fn bounded(mut event: Event) -> Event {
    event.text = clean(&event.text);
    let told = event.failed.take().filter(|_| event.stage == Stage::Failure);
    event.failed = told.map(|failed| {
        let Failed { step, cause, tried } = *failed;
        let tried = tried.into_iter().take(MAX_TRIED);
        let tried = tried.map(|Tried { what, text }| Tried { what, text: clean(&text) }).collect();
        Box::new(Failed { step, cause: clean(&cause), tried })
    });
    event
}

#[cfg(test)]
mod tests {
    use bootwright_image::timeline::{Step, What};

    use super::*;

    #[test]
    fn what_a_machine_says_it_tried_is_short_and_without_control_characters() {
        let long = || format!("\u{1b}[2J{}", "x".repeat(10_000));
        let tried = (0..1000).map(|_| Tried { what: What::Source, text: long() }).collect();
        let failed = Some(Box::new(Failed { step: Step::Fetch, cause: long(), tried }));
        let event =
            |stage| Event { at: 0, uptime: None, stage, text: long(), bytes: None, failed: failed.clone() };
        let kept = *bounded(event(Stage::Failure)).failed.unwrap();
        assert_eq!((kept.step, kept.tried.len()), (Step::Fetch, MAX_TRIED));
        for text in kept.tried.iter().map(|tried| &tried.text).chain([&kept.cause]) {
            assert!(text.len() <= 300 && !text.contains('\u{1b}'), "{text:?}");
        }
        assert_eq!(bounded(event(Stage::Fetch)).failed, None, "only a failure says why it failed");
    }
}
