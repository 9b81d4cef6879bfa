//! Compression on all cores: the archive is cut into pieces at members' ends, and each piece becomes a
//! stream of its own.
//!
//! The kernel unpacks one stream after the other and asks only that a member ends where a stream ends
//! (`unpack_to_rootfs` in `init/initramfs.c`); `zstd -dc`, `xz -dc` and the like put them together to the
//! one archive that they were. Where the cuts are depends on the content alone.

use std::io;
use std::io::Write as _;
use std::num::NonZeroUsize;

use bootwright_formats::compression::Compression;

use super::parallel;

/// Bytes of archive in a piece, or more when a member is larger. Smaller pieces compress worse (1 % more
/// at half of it), larger ones leave cores idle.
const PIECE: usize = 8 << 20;

/// The level of each compression: what takes about the time that reading the modules takes.
fn level(compression: Compression) -> u32 {
    match compression {
        Compression::Zstd => 9,
        Compression::Gzip => 6,
        _ => 4,
    }
}

/// The archive's pieces, each packed. `ends` are the offsets where members end, ascending.
pub(super) fn pack(
    archive: &[u8],
    ends: &[usize],
    compression: Compression,
    threads: NonZeroUsize,
) -> io::Result<Vec<Vec<u8>>> {
    parallel::map(&pieces(archive, ends), threads, |piece| {
        let mut encoder = compression.encoder(Vec::with_capacity(piece.len() / 3), level(compression))?;
        encoder.write_all(piece)?;
        encoder.finish()
    })
}

fn pieces<'a>(archive: &'a [u8], ends: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let (mut rest, mut start) = (archive, 0);
    for &end in ends {
        if end - start >= PIECE
            && let Some((piece, behind)) = rest.split_at_checked(end - start)
        {
            pieces.push(piece);
            (rest, start) = (behind, end);
        }
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_end_with_members_and_make_up_the_archive() {
        let archive: Vec<u8> = (0..3 * PIECE + 5).map(|n| (n >> 8) as u8).collect();
        let ends: Vec<usize> = (1..).map(|n| n * 3_000_000).take_while(|end| *end < archive.len()).collect();
        let pieces = pieces(&archive, &ends);
        assert_eq!(pieces.len(), 3);
        assert!(pieces[..2].iter().all(|piece| piece.len() == 9_000_000));
        assert_eq!(pieces.concat(), archive);
    }
}
