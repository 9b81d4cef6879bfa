//! TFTP requests, and what a client sends while a file is on its way.

use std::time::Duration;

use bootwright_netboot::tftp::{Limits, Request, Session, Step};

/// Bytes of the file that is asked for.
const SIZE: u64 = 100_000;

/// A request that is accepted names a file inside the tree, and no packets make a session send what is
/// not in the file. The same bytes are taken for a request and for a row of packets of four bytes.
pub fn target(data: &[u8]) {
    let request = Request::parse(data).ok();
    if let Some(request) = &request {
        assert!(request.path.split('/').all(|part| !matches!(part, "" | "." | "..")));
    }
    let options = request.map(|request| request.options).unwrap_or_default();
    let mut session = Session::new(SIZE, &options, Limits::default());
    for (turn, packet) in data.chunks(4).enumerate() {
        if let Step::Send(blocks) = session.poll(Duration::from_secs(turn as u64)) {
            assert!(blocks.offset + blocks.length <= SIZE);
            assert!(blocks.count <= session.windowsize());
        }
        session.receive(packet);
        assert!(session.confirmed() <= SIZE);
    }
}

/// A valid input: what OVMF asks.
pub fn seed() -> Vec<u8> {
    b"\0\x01w/image.efi\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0".to_vec()
}
