//! Shortening an LZ4 block: compressing once more what is there already costs as much as the first time.
//!
//! The beginning of a block up to one of its sequences is a block again, once literals end it as the format
//! wants it ("End of block conditions" of `lz4_Block_format.md`): the last five bytes are literals, and the
//! last match begins at least twelve bytes before the end.
//!
//! ```text
//! sequence:  token │ more literals │ literals │ distance u16 │ more match            the last: token … literals
//! ```

use super::compressor::Fit;

/// Bytes at the end that are literals.
const LAST_LITERALS: usize = 5;
/// The last match begins so many bytes before the end.
const LAST_MATCH: usize = 12;
/// How many of the last sequences are tried as the place of the end.
const TRIED: usize = 4;

/// Where a sequence begins, and the match before it.
#[derive(Debug, Clone, Copy)]
struct Place {
    packed: usize,
    input: usize,
    matched: usize,
}

/// As much of `input`, which `packed` is made of, as fits in `room` bytes by its first sequences and literals;
/// `None` where that would leave the room to literals alone.
pub(super) fn cut(packed: &[u8], input: &[u8], room: usize) -> Option<Fit> {
    let places = last_places(packed, room);
    let fitting = places.into_iter().flatten().find_map(|place| {
        let most = literals_in(room - place.packed).min(input.len() - place.input);
        let end = place.input + most;
        (most >= LAST_LITERALS && end - place.matched >= LAST_MATCH).then_some((place, end))
    });
    let (place, end) = fitting.filter(|(place, _)| place.packed > 0)?;
    let mut bytes = Vec::with_capacity(room);
    bytes.extend(packed.get(..place.packed)?);
    let literals = input.get(place.input..end)?;
    match literals.len().checked_sub(15) {
        None => bytes.push((literals.len() as u8) << 4),
        Some(more) => {
            bytes.push(0xf0);
            bytes.resize(bytes.len() + more / 255, 255);
            bytes.push((more % 255) as u8);
        }
    }
    bytes.extend(literals);
    Some(Fit { taken: end, bytes })
}

/// How many literals fit in so many bytes with their token.
fn literals_in(room: usize) -> usize {
    let most = room.saturating_sub(1);
    most.checked_sub(15).map_or(most, |more| most - (more / 256 + 1))
}

/// The last sequences that begin within `room` bytes, the last one first.
fn last_places(packed: &[u8], room: usize) -> [Option<Place>; TRIED] {
    let mut places = [None; TRIED];
    let mut place = Place { packed: 0, input: 0, matched: 0 };
    while place.packed < room {
        places.rotate_right(1);
        places[0] = Some(place);
        match next(packed, place) {
            Some(next) => place = next,
            None => break,
        }
    }
    places
}

/// The sequence behind the one at `place`; `None` behind the last.
fn next(packed: &[u8], place: Place) -> Option<Place> {
    let token = usize::from(*packed.get(place.packed)?);
    let (literals, at) = length(packed, place.packed + 1, token >> 4)?;
    let (matched, at) = length(packed, at + literals + 2, token & 15)?;
    let start = place.input + literals;
    Some(Place { packed: at, input: start + matched + 4, matched: start })
}

/// A length of four bits with the bytes that follow it, and where these end.
fn length(packed: &[u8], mut at: usize, nibble: usize) -> Option<(usize, usize)> {
    let mut length = nibble;
    if nibble == 15 {
        loop {
            let byte = *packed.get(at)?;
            (length, at) = (length + usize::from(byte), at + 1);
            if byte < 255 {
                break;
            }
        }
    }
    Some((length, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts, noise, runs.
    fn input(seed: u32) -> Vec<u8> {
        let mut state = seed.wrapping_mul(2_654_435_761) | 1;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state
        };
        let mut bytes = Vec::new();
        while bytes.len() < 30_000 {
            match next() % 4 {
                0 => bytes.extend((0..next() % 700).map(|_| next() as u8)),
                1 => bytes.resize(bytes.len() + (next() % 900) as usize, 7),
                _ => bytes.extend(format!("number {} of many words\n", next() % 50).into_bytes()),
            }
        }
        bytes
    }

    #[test]
    fn what_is_cut_unpacks_to_the_beginning_with_another_decoder() {
        let mut cuts = 0;
        for seed in 1..20 {
            let input = input(seed);
            let mut packed = vec![0; 40_000];
            let (taken, length) = lzzzz::lz4_hc::compress_fill(&input, &mut packed, 12).unwrap();
            assert_eq!(taken, input.len());
            packed.truncate(length);
            for room in (1..length).step_by(97) {
                let Some(fit) = cut(&packed, &input, room) else { continue };
                cuts += 1;
                assert!(fit.bytes.len() <= room && fit.bytes.len() + TRIED + 300 > room, "{room}");
                let found = lz4_flex::block::decompress(&fit.bytes, fit.taken).unwrap();
                assert!(found == input[..fit.taken], "{seed} {room}");
                // Nearly as much as a second run would have taken.
                let (again, _) = lzzzz::lz4_hc::compress_fill(&input, &mut vec![0; room], 12).unwrap();
                assert!(fit.taken + 1200 > again, "{seed} {room}: {} of {again}", fit.taken);
            }
        }
        assert!(cuts > 1000);
    }

    #[test]
    fn literals_fill_their_room() {
        for room in 1..3000 {
            let count = literals_in(room);
            let size = |count: usize| 1 + count + count.checked_sub(15).map_or(0, |more| more / 255 + 1);
            assert!(size(count) <= room && size(count + 1) >= room, "{room}");
        }
    }
}
