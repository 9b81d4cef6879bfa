//! Where the pieces of a sparse member are, in the four forms that GNU tar writes.
//!
//! ```text
//! type S    24-byte entries, offset and length as numbers of 12 bytes: four in the header at 386, then, while the
//!           byte at 482 (504 in what follows) is set, 21 in each block behind it; the file's size at 483
//! pax 0.0   GNU.sparse.size, then GNU.sparse.offset and GNU.sparse.numbytes again and again
//! pax 0.1   GNU.sparse.size, GNU.sparse.map=offset,length,…; GNU.sparse.name is the file's name
//! pax 1.0   GNU.sparse.realsize, GNU.sparse.name; the data begins with lines: the count, offset, length, …, padded
//! ```
//!
//! The pieces' data follows, one behind the other and not padded.

use super::header;
use super::{BLOCK, Piece, TarProblem};

/// The most pieces of one file: with what is made of them some 64 MiB, which is what an archive can make us allocate.
const MAX_PIECES: usize = 512 << 10;
/// Bytes of an entry of type `S`.
const ENTRY: usize = 24;
/// Where a block that only has such entries says whether another one follows.
const CONTINUES: usize = 21 * ENTRY;

/// The list as it is gathered.
#[derive(Debug, Default, Clone)]
pub(super) struct Map {
    /// Offsets and lengths by turns.
    numbers: Vec<u64>,
    /// The file's size.
    pub size: Option<u64>,
    /// The list stands before the data (pax 1.0).
    pub in_data: bool,
}

impl Map {
    /// A list for a file of so many bytes.
    pub fn of_size(size: u64) -> Self {
        Self { size: Some(size), ..Self::default() }
    }

    /// What a pax record `GNU.sparse.KEY` says; the name of the file is not its business.
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), TarProblem> {
        match key {
            b"size" | b"realsize" => self.size = Some(decimal(value)?),
            b"offset" | b"numbytes" => self.push(decimal(value)?)?,
            b"map" => value.split(|byte| *byte == b',').try_for_each(|text| self.push(decimal(text)?))?,
            b"major" => self.in_data = value == b"1",
            _ => {}
        }
        Ok(())
    }

    /// The entries of a header or block of type `S`; empty ones end the list.
    pub fn add_entries(&mut self, entries: &[u8]) -> Result<(), TarProblem> {
        for entry in entries.chunks_exact(ENTRY).take_while(|entry| entry.first() != Some(&0)) {
            let (offset, length) = entry.split_at(ENTRY / 2);
            for field in [offset, length] {
                self.push(header::number(field).ok_or(TarProblem::Number("sparse"))?)?;
            }
        }
        Ok(())
    }

    /// A block behind the header of type `S`; whether another one follows.
    pub fn add_block(&mut self, block: &[u8; BLOCK as usize]) -> Result<bool, TarProblem> {
        self.add_entries(block.get(..CONTINUES).unwrap_or_default())?;
        Ok(block.get(CONTINUES).is_some_and(|more| *more != 0))
    }

    /// Takes the lines of pax 1.0; `next` gives block after block.
    pub fn add_lines(
        &mut self,
        mut next: impl FnMut() -> Result<[u8; BLOCK as usize], TarProblem>,
    ) -> Result<(), TarProblem> {
        let mut wanted = None;
        let mut line = Vec::new();
        while wanted != Some(self.numbers.len()) {
            for byte in next()? {
                if wanted == Some(self.numbers.len()) {
                    break;
                }
                if byte != b'\n' {
                    if line.len() > 20 {
                        return Err(TarProblem::Sparse("a line that is no number"));
                    }
                    line.push(byte);
                    continue;
                }
                let number = decimal(&line)?;
                line.clear();
                match wanted {
                    None => wanted = usize::try_from(number).ok().and_then(|count| count.checked_mul(2)),
                    Some(_) => self.push(number)?,
                }
                if wanted.is_none_or(|wanted| wanted > 2 * MAX_PIECES) {
                    return Err(TarProblem::Sparse("too many pieces"));
                }
            }
        }
        Ok(())
    }

    /// The pieces of a file of `size` bytes, whose data begins at `offset` and has `stored` bytes.
    pub fn pieces(&self, size: u64, offset: u64, stored: u64) -> Result<Vec<Piece>, TarProblem> {
        if size > i64::MAX.cast_unsigned() {
            return Err(TarProblem::Sparse("the file is longer than any can be"));
        }
        let mut pieces = Vec::new();
        let (mut at, mut end) = (0_u64, 0_u64);
        for pair in self.numbers.chunks(2) {
            let [start, length] = *pair else { return Err(TarProblem::Sparse("an offset without a length")) };
            let behind = start.checked_add(length).filter(|behind| *behind <= size);
            let behind = behind.ok_or(TarProblem::Sparse("a piece lies behind the file's end"))?;
            if start < end {
                return Err(TarProblem::Sparse("the pieces are not in order"));
            }
            if length > 0 {
                pieces.push(Piece { range: start..behind, offset: offset.saturating_add(at) });
            }
            (at, end) = (at.saturating_add(length), behind);
        }
        if at > stored {
            return Err(TarProblem::Sparse("they have more bytes than the archive has of them"));
        }
        Ok(pieces)
    }

    fn push(&mut self, number: u64) -> Result<(), TarProblem> {
        if self.numbers.len() >= 2 * MAX_PIECES {
            return Err(TarProblem::Sparse("too many pieces"));
        }
        self.numbers.push(number);
        Ok(())
    }
}

fn decimal(text: &[u8]) -> Result<u64, TarProblem> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or(TarProblem::Number("GNU.sparse"))
}

#[cfg(test)]
mod tests {
    use super::super::MemberKind;
    use super::super::tests::{gnu_tar, named, read, skim};
    use super::*;

    /// GNU tar's options for each of its forms of sparse members.
    const SPARSE: [&[&str]; 4] = [
        &["--sparse", "--format=gnu"],
        &["--sparse", "--format=pax", "--sparse-version=0.0"],
        &["--sparse", "--format=pax", "--sparse-version=0.1"],
        &["--sparse", "--format=pax", "--sparse-version=1.0"],
    ];

    #[test]
    fn sparse_members_of_gnu_tar_are_read_in_each_of_its_forms() {
        use std::os::unix::fs::FileExt as _;
        const SIZE: u64 = 60 << 20;
        // More pieces than the header of the oldest form and one block behind it hold, and a hole at the end.
        let places: Vec<u64> = (0..40).map(|number| number << 20).collect();
        for options in SPARSE {
            let bytes = gnu_tar(options, |root| {
                let file = std::fs::File::create(root.join("holes")).unwrap();
                places.iter().for_each(|at| file.write_all_at(&at.to_le_bytes(), *at).unwrap());
                file.set_len(SIZE).unwrap();
                std::fs::write(root.join("next"), "next").unwrap();
            });
            let members = read(&bytes).unwrap();
            assert_eq!(skim(&bytes).unwrap(), members, "{options:?}");
            assert!(members.iter().any(|member| member.name == b"./next"), "{options:?}");
            let file = named(&members, b"./holes");
            let MemberKind::Sparse { size: SIZE, pieces } = &file.kind else {
                panic!("{options:?}: {file:?}")
            };
            let mut content = vec![0; SIZE as usize];
            for Piece { range, offset } in pieces {
                let length = range.end - range.start;
                let stored = &bytes[*offset as usize..][..length as usize];
                content[range.start as usize..range.end as usize].copy_from_slice(stored);
            }
            places.iter().for_each(|at| {
                assert_eq!(content[*at as usize..][..8], at.to_le_bytes(), "{options:?}");
                content[*at as usize..][..8].fill(0);
            });
            assert!(content.iter().all(|byte| *byte == 0), "{options:?}");
        }
    }

    #[test]
    fn a_list_of_pieces_that_cannot_be_is_refused() {
        let pieces = |map: &[u8], stored| {
            let mut list = Map::default();
            list.set(b"map", map).and_then(|()| list.pieces(100, 512, stored))
        };
        assert_eq!(pieces(b"10,5,90,10", 15).unwrap()[1], Piece { range: 90..100, offset: 517 });
        for (map, stored) in [
            (b"10,5,90,11".as_slice(), 99),
            (b"10,5,12,1", 99),
            (b"10,5,90", 99),
            (b"10,5,90,10", 14),
            (b"18446744073709551615,2", 99),
            (b"a,1", 99),
        ] {
            let error = pieces(map, stored).unwrap_err();
            assert!(matches!(error, TarProblem::Sparse(_) | TarProblem::Number(_)), "{error:?}");
        }
    }
}
