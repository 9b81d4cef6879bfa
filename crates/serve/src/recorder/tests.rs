use super::*;
use bootwright_image::timeline::MachineId;
use std::sync::Mutex;

const MAC: Mac = Mac([0x52, 0x54, 0, 0, 0, 1]);
const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 50));

fn recorder() -> (Recorder, Arc<Mutex<Vec<String>>>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&lines);
    let tell = move |notice: &Notice| told.lock().unwrap().push(notice.to_string());
    (Recorder::new(Arc::new(Machines::in_memory()), Box::new(tell)), lines)
}

fn offered(recorder: &Recorder) {
    let facts = bootwright_netboot::ipxe::from_query("mac=52:54:00:00:00:01&arch=16").unwrap();
    let facts = machine::Facts { asker: Asker::HttpBoot, ..facts };
    let text = "offered 10.0.0.50, image worker".to_owned();
    let (address, image) = (Some(PEER), Some("worker"));
    recorder.answered(Answered { facts: &facts, address, image, text, level: Level::Info });
}

#[test]
fn ranges_of_one_file_are_told_of_twice_and_counted_together() {
    let (recorder, lines) = recorder();
    offered(&recorder);
    let total = 4 << 20;
    for start in (0..total).step_by(1 << 20) {
        let range = start..start + (1 << 20);
        let piece = Piece { stage: Stage::Http, peer: PEER, path: "/images/worker/root.img", range, total };
        recorder.transfer(&piece, &Going::Begins);
        recorder.transfer(&piece, &Going::Ended { sent: 1 << 20, took: Duration::ZERO, failure: None });
    }
    let lines = lines.lock().unwrap();
    assert_eq!(lines[0], "52:54:00:00:00:01 UEFI x64 HTTP: offered 10.0.0.50, image worker");
    assert_eq!(lines[1], "52:54:00:00:00:01 UEFI x64 HTTP: fetches worker/root.img, 4.2 MB");
    assert!(lines[2].contains("fetched worker/root.img, 4.2 MB in "), "{lines:?}");
    assert_eq!(lines.len(), 3);
    let told = recorder.machines().table().machine(MAC).unwrap().tell(MAC);
    assert_eq!(told.events.len(), 2);
    assert_eq!(told.events[1].bytes, Some(total));
}

#[test]
fn a_transfer_that_breaks_off_is_a_warning_with_the_byte() {
    let (recorder, lines) = recorder();
    let piece =
        Piece { stage: Stage::Http, peer: PEER, path: "/images/w/root.img", range: 100..200, total: 200 };
    let failure: &dyn fmt::Display = &"connection reset";
    recorder.transfer(&piece, &Going::Ended { sent: 50, took: Duration::ZERO, failure: Some(failure) });
    assert_eq!(
        lines.lock().unwrap()[0],
        "10.0.0.50 (machine unknown): the transfer of w/root.img ended at byte 150 of 200: connection reset"
    );
}

#[test]
fn a_report_is_stamped_by_our_clock_and_keeps_its_distances() {
    let (recorder, lines) = recorder();
    let event = |uptime: f64, stage| Event {
        at: 7,
        uptime: Some(uptime),
        stage,
        text: "x".into(),
        bytes: None,
        failed: None,
    };
    let machine = MachineId { mac: MAC.to_string(), ..MachineId::default() };
    let events = vec![event(1.5, Stage::Agent), event(f64::NAN, Stage::Network), event(4.0, Stage::Fetch)];
    assert_eq!(recorder.report(PEER, MAC, Report { machine, image: None, events, progress: None }), 3);
    let told = recorder.machines().table().machine(MAC).unwrap().tell(MAC);
    assert_eq!(told.events[2].at - told.events[0].at, 2500);
    assert!(told.events[2].at > 1_600_000_000_000);
    assert_eq!(told.address, Some(PEER));
    assert_eq!(lines.lock().unwrap().len(), 3);
}
