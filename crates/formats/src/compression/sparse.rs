//! What a stream unpacks to, as a file with holes.

use std::io::{self, Read, Seek, SeekFrom, Write};

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

/// What becomes a hole: a block of most file systems.
const BLOCK: usize = 4096;
const ZEROS: [u8; BLOCK] = [0; BLOCK];

/// The most that may come out of a stream.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes, zeros included.
    pub size: u64,
    /// Bytes that are no zeros: they take room.
    pub stored: u64,
}

/// How much came out of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Bytes, zeros included.
    pub size: u64,
    /// Bytes that were written.
    pub stored: u64,
}

/// Writes all that `from` gives to `to`, which is empty, without its zeros. The caller sets the length to
/// `done.size`: zeros at the end are not written.
///
/// # Errors
/// [`FileTooLarge`](io::ErrorKind::FileTooLarge) when more comes than `bounds` allow; what reading and writing
/// say. `done` tells how far it came, then too.
pub fn write_sparse(
    from: &mut impl Read,
    to: &mut (impl Write + Seek),
    bounds: Bounds,
    done: &mut Unpacked,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let (count, result) = fill(from, &mut piece);
        for block in piece.get(..count).unwrap_or_default().chunks(BLOCK) {
            let length = block.len() as u64;
            let zeros = ZEROS.get(..block.len()) == Some(block);
            let stored = done.stored + if zeros { 0 } else { length };
            if done.size + length > bounds.size || stored > bounds.stored {
                let what = "it unpacks to more bytes than are allowed";
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
            }
            if !zeros {
                to.seek(SeekFrom::Start(done.size))?;
                to.write_all(block)?;
            }
            *done = Unpacked { size: done.size + length, stored };
        }
        result?;
        if count < piece.len() {
            return Ok(());
        }
    }
}

/// Reads until the piece is full or nothing more comes; what came before a fault counts.
fn fill(from: &mut impl Read, piece: &mut [u8]) -> (usize, io::Result<()>) {
    let mut count = 0;
    while let Some(rest) = piece.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (count, Err(error)),
        }
    }
    (count, Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    const ALL: Bounds = Bounds { size: u64::MAX, stored: u64::MAX };

    #[test]
    fn zeros_are_left_out_and_the_rest_is_where_it_was() {
        let bytes = [vec![1; 5000], vec![0; 100_000], vec![2; 10], vec![0; 9000]].concat();
        let (mut to, mut done) = (Cursor::new(Vec::new()), Unpacked::default());
        write_sparse(&mut bytes.as_slice(), &mut to, ALL, &mut done).unwrap();
        assert_eq!(done.size, bytes.len() as u64);
        assert!(done.stored < 20_000, "{done:?}");
        let mut written = to.into_inner();
        written.resize(bytes.len(), 0);
        assert!(written == bytes);
    }

    #[test]
    fn what_came_before_a_fault_or_a_limit_is_kept() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let (mut to, mut done) = (Cursor::new(Vec::new()), Unpacked::default());
        let error = write_sparse(&mut [7; 6000].chain(Broken), &mut to, ALL, &mut done).unwrap_err();
        assert_eq!((error.to_string().as_str(), done.size), ("broken", 6000));
        for bounds in [Bounds { size: 8192, ..ALL }, Bounds { stored: 8192, ..ALL }] {
            let (mut to, mut done) = (Cursor::new(Vec::new()), Unpacked::default());
            let error = write_sparse(&mut [7; 100_000].as_slice(), &mut to, bounds, &mut done).unwrap_err();
            assert_eq!((error.kind(), done.size), (io::ErrorKind::FileTooLarge, 8192));
        }
    }
}
