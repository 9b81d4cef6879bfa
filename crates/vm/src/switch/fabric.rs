//! Which cable a frame goes to: IEEE 802.1D's learning, without spanning tree and without ageing.

use std::collections::HashMap;

/// Number of a cable.
pub(super) type Port = u32;

/// The host's own port.
pub(super) const HOST: Port = 0;

/// Addresses that are remembered: far more than machines can be, and a bound for one that makes them up.
const MAX_LEARNED: usize = 4096;

/// Destination, source and type.
const HEADER: usize = 14;

type Mac = [u8; 6];

/// Where a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It is broken, or its destination is where it came from.
    Nowhere,
    /// To one port.
    To(Port),
    /// To all but the one that it came from.
    Everywhere,
}

/// What was learned.
#[derive(Debug, Default)]
pub(super) struct Fabric {
    learned: HashMap<Mac, Port>,
}

impl Fabric {
    /// Learns from a frame and says where it goes.
    pub(super) fn way(&mut self, from: Port, frame: &[u8]) -> Way {
        let Some((destination, source)) = addresses(frame) else { return Way::Nowhere };
        if !is_group(&source) && (self.learned.len() < MAX_LEARNED || self.learned.contains_key(&source)) {
            self.learned.insert(source, from);
        }
        match self.learned.get(&destination) {
            _ if is_group(&destination) => Way::Everywhere,
            Some(port) if *port == from => Way::Nowhere,
            Some(port) => Way::To(*port),
            None => Way::Everywhere,
        }
    }

    /// Forgets what was behind a port that is gone.
    pub(super) fn forget(&mut self, port: Port) {
        self.learned.retain(|_, behind| *behind != port);
    }
}

fn addresses(frame: &[u8]) -> Option<(Mac, Mac)> {
    let (addresses, _) = frame.split_first_chunk::<HEADER>()?;
    Some((addresses.first_chunk().copied()?, addresses.get(6..)?.first_chunk().copied()?))
}

/// Broadcast and multicast.
fn is_group(mac: &Mac) -> bool {
    mac.first().is_some_and(|first| first & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(to: u8, from: u8) -> Vec<u8> {
        [&[to; 6][..], &[from; 6], &[8, 0, 1, 2, 3]].concat()
    }

    #[test]
    fn an_address_that_was_heard_gets_its_frames_alone() {
        let mut fabric = Fabric::default();
        assert_eq!(fabric.way(1, &frame(4, 2)), Way::Everywhere);
        assert_eq!(fabric.way(2, &frame(2, 4)), Way::To(1));
        assert_eq!(fabric.way(1, &frame(4, 2)), Way::To(2));
        assert_eq!(fabric.way(2, &frame(4, 6)), Way::Nowhere, "it is on the same cable");
        assert_eq!(fabric.way(1, &frame(0xff, 2)), Way::Everywhere);
    }

    #[test]
    fn a_pulled_cable_is_forgotten() {
        let mut fabric = Fabric::default();
        fabric.way(1, &frame(0xff, 2));
        fabric.forget(1);
        assert_eq!(fabric.way(3, &frame(2, 4)), Way::Everywhere);
    }

    #[test]
    fn broken_frames_go_nowhere_and_made_up_addresses_do_not_fill_memory() {
        let mut fabric = Fabric::default();
        assert_eq!(fabric.way(1, &[0xff; 13]), Way::Nowhere);
        for number in 0..2 * MAX_LEARNED as u32 {
            let [a, b, c, d] = number.to_be_bytes();
            fabric.way(1, &[&[0xff; 6][..], &[2, 0, a, b, c, d], &[8, 0]].concat());
        }
        assert_eq!(fabric.learned.len(), MAX_LEARNED);
    }
}
