//! Tagged frames, IEEE 802.1Q: a machine's port can be a trunk that carries one VLAN, while the host on the other
//! side knows nothing of it.
//!
//! ```text
//! destination, 6 │ source, 6 │ 0x8100, 2 │ priority, 3 bits │ DEI │ id, 12 bits │ type, 2 │ …
//! ```

/// Type of a frame with a tag.
const TPID: [u8; 2] = [0x81, 0x00];
/// Destination and source.
const ADDRESSES: usize = 12;

/// The id of a VLAN, 1 to 4094.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VlanId(u16);

impl VlanId {
    /// The id, when it is one (9.6: 0 is no VLAN, 4095 is reserved).
    pub fn new(id: u16) -> Option<Self> {
        (1..=4094).contains(&id).then_some(Self(id))
    }

    /// The frame with this tag.
    pub(super) fn put(self, frame: &[u8]) -> Vec<u8> {
        let (addresses, rest) = frame.split_at(frame.len().min(ADDRESSES));
        [addresses, &TPID, &self.0.to_be_bytes(), rest].concat()
    }

    /// The frame without this tag; `None` for one that has none, or another.
    pub(super) fn take(self, frame: &[u8]) -> Option<Vec<u8>> {
        let (addresses, rest) = frame.split_at_checked(ADDRESSES)?;
        let ([a, b, high, low], rest) = rest.split_first_chunk()?;
        let id = u16::from_be_bytes([*high, *low]) & 0x0fff;
        ([*a, *b] == TPID && id == self.0).then(|| [addresses, rest].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_goes_in_behind_the_addresses_and_comes_out_again() {
        let id = VlanId::new(5).unwrap();
        let frame = [&[1; 6][..], &[2; 6], &[8, 0, 3]].concat();
        let tagged = id.put(&frame);
        assert_eq!(tagged[12..18], [0x81, 0, 0, 5, 8, 0]);
        assert_eq!(id.take(&tagged), Some(frame.clone()));
        let mut urgent = tagged.clone();
        urgent[14] |= 0xe0;
        assert_eq!(id.take(&urgent), Some(frame.clone()), "the priority does not matter");
        assert_eq!(VlanId::new(6).unwrap().take(&tagged), None);
        assert_eq!(id.take(&frame), None);
        for end in 0..16 {
            assert_eq!(id.take(&tagged[..end]), None, "{end}");
        }
    }

    #[test]
    fn zero_and_4095_are_no_ids() {
        assert!([0, 4095, u16::MAX].iter().all(|id| VlanId::new(*id).is_none()));
    }
}
