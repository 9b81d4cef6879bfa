//! A boot as numbers and as a picture.

use bootwright_image::timeline::Event;
use proptest::prelude::*;

use super::*;

fn boot(events: &[(u64, Stage, &str)]) -> Boot {
    let mut boot = Boot { started: 1000, entries: Vec::new() };
    for (at, stage, text) in events {
        let event = Event {
            at: 1000 + at,
            uptime: None,
            stage: *stage,
            text: (*text).into(),
            bytes: None,
            failed: None,
        };
        boot.add(event, None);
    }
    boot
}

fn chart(boot: Boot) -> Chart {
    let mut machine = Machine::default();
    machine.boot = boot;
    Chart::of("52:54:00:12:34:56".parse().unwrap(), &machine)
}

#[test]
fn phases_follow_each_other_without_gaps_up_to_the_end() {
    let chart = chart(boot(&[
        (0, Stage::Dhcp, "asked"),
        (900, Stage::Http, "image.efi"),
        (5000, Stage::Agent, "agent"),
        (9000, Stage::System, "the system is up"),
    ]));
    assert!(chart.ended);
    assert_eq!((chart.length, chart.rows.len()), (9000, 4));
    assert!(chart.phases.windows(2).all(|pair| pair[0].end == pair[1].begin));
    assert_eq!((chart.phases[0].begin, chart.phases.last().unwrap().end), (0, 9000));
}

#[test]
fn the_picture_is_xml_that_rsvg_draws_and_text_is_no_markup() {
    let chart =
        chart(boot(&[(0, Stage::Dhcp, "<script>&\u{1}\u{ffff}"), (70_000, Stage::Failure, "no\tcable")]));
    let picture = svg::draw(&chart);
    assert!(!picture.contains("<script>") && picture.contains("&lt;script&gt;&amp;"), "{picture}");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), picture).unwrap();
    let drawn = std::process::Command::new("rsvg-convert").arg(file.path()).output();
    let drawn = drawn.expect("rsvg-convert (package librsvg2-bin)");
    assert!(drawn.status.success(), "{}", String::from_utf8_lossy(&drawn.stderr));
    assert!(drawn.stdout.starts_with(b"\x89PNG"));
}

proptest! {
    #[test]
    fn every_mark_lies_in_the_picture(times in proptest::collection::vec(0..u64::MAX / 4, 0..20)) {
        let events: Vec<_> = times.iter().map(|time| (*time, Stage::Http, "x")).collect();
        let picture = svg::draw(&chart(boot(&events)));
        for x in picture.split(" x=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            prop_assert!(x.parse::<u64>().unwrap() <= 1100);
        }
    }
}
