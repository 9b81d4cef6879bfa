//! Messages there and back, cut anywhere, and bytes that are none.

use proptest::prelude::*;

use super::*;

fn talks() -> impl Strategy<Value = Talk> {
    let block = (any::<u32>(), any::<u32>(), any::<u32>()).prop_map(|(chunk, begin, length)| Block {
        chunk,
        begin,
        length,
    });
    prop_oneof![
        Just(Talk::Choke),
        Just(Talk::Unchoke),
        Just(Talk::Interested),
        Just(Talk::NotInterested),
        any::<u32>().prop_map(Talk::Have),
        Just(Talk::Bitfield(Bits::all(77))),
        block.clone().prop_map(Talk::Request),
        block.clone().prop_map(Talk::Cancel),
        Just(Talk::HaveAll),
        Just(Talk::HaveNone),
        block.prop_map(Talk::Reject),
    ]
}

proptest! {
    #[test]
    fn messages_are_read_as_they_were_written_however_they_are_cut(
        talks in proptest::collection::vec(talks(), 0..20),
        cut in 1usize..40,
    ) {
        let mut written = BytesMut::new();
        talks.iter().for_each(|talk| encode_talk(talk, &mut written));
        let (mut received, mut read) = (BytesMut::new(), Vec::new());
        for piece in written.chunks(cut) {
            received.extend_from_slice(piece);
            while let Some(message) = decode(&mut received, 77).unwrap() {
                read.push(message);
            }
        }
        prop_assert_eq!(read, talks.into_iter().map(Message::Talk).collect::<Vec<_>>());
    }

    #[test]
    fn no_bytes_make_it_panic_or_wait_for_more_than_the_longest_message(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        chunks in 0u32..100,
    ) {
        let mut received = BytesMut::from(&bytes[..]);
        while let Ok(Some(_)) = decode(&mut received, chunks) {}
    }
}

#[test]
fn the_bytes_are_those_of_bep_3() {
    let mut written = BytesMut::new();
    encode_talk(&Talk::Request(Block { chunk: 1, begin: 0x4000, length: 0x4000 }), &mut written);
    encode_piece(&Block { chunk: 2, begin: 0, length: 3 }, &mut written);
    written.extend_from_slice(b"abc");
    let expected = b"\0\0\0\x0d\x06\0\0\0\x01\0\0\x40\0\0\0\x40\0\0\0\0\x0c\x07\0\0\0\x02\0\0\0\0abc";
    assert_eq!(&written[..], expected);
}

#[test]
fn a_huge_frame_is_refused_by_its_length_alone() {
    let mut received = BytesMut::from(&b"\x7f\xff\xff\xff"[..]);
    assert!(matches!(decode(&mut received, 8), Err(WireError::Long { found: 0x7fff_ffff, .. })));
}

#[test]
fn a_message_of_the_wrong_length_is_refused() {
    let mut received = BytesMut::from(&b"\0\0\0\x02\x04\0"[..]);
    assert_eq!(decode(&mut received, 8), Err(WireError::Length { id: 4, length: 1 }));
}
