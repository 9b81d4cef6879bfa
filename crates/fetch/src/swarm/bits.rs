//! A set of chunks, in the order of BEP 3's bitfield: the first chunk is the high bit of the first byte.

/// Which chunks somebody has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bits {
    bytes: Vec<u8>,
    length: u32,
    ones: u32,
}

/// Why bytes are no bitfield of a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BitsError {
    /// Too short or too long.
    #[error("the bitfield has {found} bytes, the torrent's has {wanted}")]
    Length {
        /// Bytes found.
        found: usize,
        /// Bytes that the number of chunks needs.
        wanted: usize,
    },
    /// A bit past the last chunk is set.
    #[error("the bitfield has bits past the last chunk")]
    Spare,
}

impl Bits {
    /// None of `length` chunks.
    pub fn none(length: u32) -> Self {
        Self { bytes: vec![0; length.div_ceil(8) as usize], length, ones: 0 }
    }

    /// All of `length` chunks.
    pub fn all(length: u32) -> Self {
        let mut bits = Self::none(length);
        for index in 0..length {
            bits.insert(index);
        }
        bits
    }

    /// From the payload of a bitfield message for `length` chunks.
    ///
    /// # Errors
    /// BEP 3 has a connection dropped for either of them.
    pub fn read(bytes: &[u8], length: u32) -> Result<Self, BitsError> {
        let wanted = length.div_ceil(8) as usize;
        if bytes.len() != wanted {
            return Err(BitsError::Length { found: bytes.len(), wanted });
        }
        let spare = (wanted as u32 * 8 - length).min(7);
        if bytes.last().is_some_and(|last| last & ((1 << spare) - 1) != 0) {
            return Err(BitsError::Spare);
        }
        let ones = bytes.iter().map(|byte| byte.count_ones()).sum();
        Ok(Self { bytes: bytes.to_vec(), length, ones })
    }

    /// The payload of a bitfield message.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of chunks, had or not.
    pub fn len(&self) -> u32 {
        self.length
    }

    /// How many are in the set.
    pub fn count(&self) -> u32 {
        self.ones
    }

    /// Whether every chunk is in the set.
    pub fn is_full(&self) -> bool {
        self.ones == self.length
    }

    /// Whether no chunk is in the set.
    pub fn is_empty(&self) -> bool {
        self.ones == 0
    }

    /// Whether `index` is in the set.
    pub fn has(&self, index: u32) -> bool {
        self.bytes.get((index / 8) as usize).is_some_and(|byte| byte & (0x80 >> (index % 8)) != 0)
    }

    /// Adds `index`; whether it was new. An index past the end changes nothing.
    pub fn insert(&mut self, index: u32) -> bool {
        self.change(index, true)
    }

    /// Takes `index` out; whether it was there.
    pub fn remove(&mut self, index: u32) -> bool {
        self.change(index, false)
    }

    /// Whether it has a chunk that `other` has not.
    pub fn has_more_than(&self, other: &Self) -> bool {
        let others = other.bytes.iter().copied().chain(std::iter::repeat(0));
        self.bytes.iter().zip(others).any(|(ours, theirs)| ours & !theirs != 0)
    }

    /// The chunks in the set, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.length).filter(|index| self.has(*index))
    }

    fn change(&mut self, index: u32, to: bool) -> bool {
        if index >= self.length || self.has(index) == to {
            return false;
        }
        if let Some(byte) = self.bytes.get_mut((index / 8) as usize) {
            *byte ^= 0x80 >> (index % 8);
        }
        if to {
            self.ones += 1;
        } else {
            self.ones -= 1;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_chunk_is_the_high_bit() {
        let mut bits = Bits::none(10);
        assert!(bits.insert(0) && bits.insert(9) && !bits.insert(9) && !bits.insert(10));
        assert_eq!(bits.as_bytes(), [0x80, 0x40]);
        assert_eq!(bits.count(), 2);
    }

    #[test]
    fn spare_bits_and_wrong_lengths_are_refused() {
        assert_eq!(Bits::read(&[0xff, 0x20], 10), Err(BitsError::Spare));
        assert_eq!(Bits::read(&[0xff], 10), Err(BitsError::Length { found: 1, wanted: 2 }));
        assert!(Bits::read(&[0xff, 0xc0], 10).unwrap().is_full());
        assert!(Bits::read(&[], 0).unwrap().is_full());
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(set in proptest::collection::btree_set(0u32..100, 0..100), more in 0u32..20) {
            let mut bits = Bits::none(100 + more);
            set.iter().for_each(|index| assert!(bits.insert(*index)));
            let read = Bits::read(bits.as_bytes(), 100 + more).unwrap();
            prop_assert_eq!(&read, &bits);
            prop_assert_eq!(read.iter().collect::<Vec<_>>(), set.into_iter().collect::<Vec<_>>());
        }
    }
}
