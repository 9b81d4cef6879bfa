use super::*;
use proptest::prelude::*;

const NOW: Duration = Duration::ZERO;

fn ack(block: u64) -> [u8; 4] {
    let [high, low] = (block as u16).to_be_bytes();
    [0, 4, high, low]
}

fn options(blksize: u16, windowsize: u16) -> Options {
    Options { blksize: Some(blksize), windowsize: Some(windowsize), ..Options::default() }
}

/// A session whose OACK has been confirmed.
fn started(size: u64, blksize: u16, windowsize: u16) -> Session {
    let mut session = Session::new(size, &options(blksize, windowsize), Limits::default());
    assert_eq!(session.poll(NOW), Step::SendOack);
    session.receive(&ack(0));
    session
}

fn sent(session: &mut Session) -> Blocks {
    match session.poll(NOW) {
        Step::Send(blocks) => blocks,
        other => panic!("nothing was sent: {other:?}"),
    }
}

#[test]
fn options_are_agreed_to_or_lowered_and_never_raised() {
    let asked = Options { blksize: Some(8192), windowsize: Some(999), tsize: true, timeout: Some(3) };
    let session = Session::new(5000, &asked, Limits::default());
    assert_eq!(
        session.oack().unwrap(),
        b"\0\x06blksize\x001468\0tsize\x005000\0timeout\x003\0windowsize\x0064\0"
    );
    assert_eq!(Session::new(5000, &Options::default(), Limits::default()).oack(), None);
    let small = Options { blksize: Some(8), ..Options::default() };
    assert_eq!(Session::new(5000, &small, Limits::default()).blksize(), 8);
}

#[test]
fn the_size_probe_of_ovmf_is_no_failure() {
    let mut session = Session::new(5000, &options(1468, 4), Limits::default());
    assert_eq!(session.poll(NOW), Step::SendOack);
    session.receive(b"\0\x05\0\x08User aborted\0");
    assert_eq!(session.poll(NOW), Step::End(End::Probe));
}

#[test]
fn a_file_of_whole_blocks_ends_with_an_empty_one() {
    let mut session = started(1024, 512, 4);
    assert_eq!(sent(&mut session), Blocks { first: 1, count: 3, offset: 0, length: 1024 });
    session.receive(&ack(3));
    assert_eq!(session.poll(NOW), Step::End(End::Done));
    assert_eq!(session.confirmed(), 1024);
}

#[test]
fn an_empty_file_is_one_empty_block() {
    let mut session = Session::new(0, &Options::default(), Limits::default());
    assert_eq!(sent(&mut session), Blocks { first: 1, count: 1, offset: 0, length: 0 });
    session.receive(&ack(1));
    assert_eq!(session.poll(NOW), Step::End(End::Done));
}

#[test]
fn block_numbers_roll_over_to_zero() {
    let mut session = started(8 * 70_000, 8, 64);
    let mut last = 0;
    loop {
        match session.poll(NOW) {
            Step::Send(blocks) => {
                assert_eq!(blocks.first, last + 1);
                last = blocks.first + blocks.count - 1;
                session.receive(&ack(last));
            }
            Step::End(end) => break assert_eq!(end, End::Done),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(last, 70_001);
}

#[test]
fn an_ack_inside_the_window_goes_on_behind_it() {
    let mut session = started(100_000, 512, 8);
    assert_eq!(sent(&mut session).count, 8);
    session.receive(&ack(3));
    assert_eq!(sent(&mut session), Blocks { first: 4, count: 8, offset: 3 * 512, length: 8 * 512 });
}

#[test]
fn a_repeated_ack_repeats_a_window_once_and_a_single_block_never() {
    let mut session = started(100_000, 512, 8);
    sent(&mut session);
    session.receive(&ack(0));
    assert_eq!(sent(&mut session).first, 1);
    session.receive(&ack(0));
    assert!(matches!(session.poll(NOW), Step::WaitUntil(_)), "twice is enough");

    let mut session = started(100_000, 512, 1);
    sent(&mut session);
    session.receive(&ack(0));
    assert!(matches!(session.poll(NOW), Step::WaitUntil(_)), "the sorcerer's apprentice");
}

#[test]
fn a_silent_client_is_asked_again_with_growing_waits_and_then_given_up() {
    let mut session = Session::new(100_000, &Options::default(), Limits::default());
    let (mut now, mut sends, mut waits) = (NOW, 0, Vec::new());
    let end = loop {
        match session.poll(now) {
            Step::Send(_) => sends += 1,
            Step::WaitUntil(next) => {
                waits.push((next - now).as_secs());
                now = next;
            }
            Step::End(end) => break end,
            Step::SendOack => panic!("no option was asked for"),
        }
    };
    assert_eq!((end, sends), (End::Silent, 1 + MAX_RETRIES));
    assert_eq!(waits, [1, 2, 4, 8, 8, 8, 8]);
}

#[test]
fn a_client_that_does_not_confirm_the_last_block_has_it() {
    let mut session = Session::new(100, &Options::default(), Limits::default());
    let mut now = NOW;
    let end = loop {
        match session.poll(now) {
            Step::WaitUntil(next) => now = next,
            Step::End(end) => break end,
            _ => {}
        }
    };
    assert_eq!(end, End::Done);
}

#[test]
fn an_error_in_the_middle_is_an_abort() {
    let mut session = started(100_000, 512, 1);
    sent(&mut session);
    session.receive(&ack(1));
    session.receive(b"\0\x05\0\x03full\0");
    assert_eq!(session.poll(NOW), Step::End(End::Aborted(3)));
}

proptest! {
    /// Whatever is lost on the way, the client gets the file, in order and once. Per turn: how many
    /// packets of a window arrive, and whether the ACK does (values above 5).
    #[test]
    fn every_file_arrives_over_a_line_that_loses_packets(
        size in 0u64..20_000, windowsize in 1u16..10, losses in proptest::collection::vec(0u64..12, 1..50),
    ) {
        let mut session = Session::new(size, &options(512, windowsize), Limits::default());
        let mut losses = losses.into_iter().cycle();
        let (mut now, mut have, mut end, mut bad) = (NOW, 0u64, None, 0);
        while end.is_none() {
            // Five bad turns in a row at most: the session gives up after seven.
            let arrive = losses.next().filter(|_| bad < 5).unwrap_or(12);
            let before = have;
            match session.poll(now) {
                Step::SendOack if arrive > 5 => session.receive(&ack(0)),
                Step::SendOack => {}
                Step::Send(blocks) => {
                    if blocks.first <= have + 1 {
                        have = have.max(blocks.first + blocks.count.min(arrive) - 1);
                    }
                    if arrive > 5 {
                        session.receive(&ack(have));
                    }
                }
                Step::WaitUntil(next) => { now = next; continue }
                Step::End(how) => end = Some(how),
            }
            bad = if arrive > 5 && (have > before || have == 0) { 0 } else { bad + 1 };
        }
        prop_assert_eq!(end, Some(End::Done));
        prop_assert_eq!(have, size / 512 + 1);
    }

    #[test]
    fn no_packet_makes_it_panic(packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..8), 0..40)) {
        let mut session = started(50_000, 512, 4);
        for packet in packets {
            session.receive(&packet);
            let _ = session.poll(NOW);
            prop_assert!(session.confirmed() <= 50_000);
        }
    }
}
