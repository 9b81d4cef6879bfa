//! One file on its way to one client: which blocks to send when.
//!
//! ```text
//!            ┌──────── OACK ◀── options were asked for
//!            ▼ ACK 0
//!   window: DATA n+1 … DATA n+w ──▶ ACK n+w ──▶ next window … the last block, ACK ──▶ Done
//!            ▲      └─ ACK in between: something was lost, go on behind it
//!            └─ silence: the same again, each time after twice the wait
//! ```

use std::time::Duration;

use super::{DEFAULT_BLKSIZE, Options};

/// Before a packet is sent again, unless the client asked for another time.
pub const FIRST_TIMEOUT: Duration = Duration::from_secs(1);
/// The longest wait before a packet is sent again.
const MAX_TIMEOUT: Duration = Duration::from_secs(8);
/// So often the same is sent again before the client is given up.
pub const MAX_RETRIES: u32 = 6;

/// What the server agrees to at most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a block: what fits into a frame, since fragments are lost in firmware.
    pub blksize: u16,
    /// Blocks for one ACK: what a client's receive buffer holds.
    pub windowsize: u16,
}

impl Default for Limits {
    /// For Ethernet: 1500 bytes less the headers of IP, UDP and TFTP.
    fn default() -> Self {
        Self { blksize: 1468, windowsize: 64 }
    }
}

/// A run of DATA packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks {
    /// The first block, counted from 1 without roll-over.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// Where in the file the first one begins.
    pub offset: u64,
    /// Bytes in all of them.
    pub length: u64,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Send [`Session::oack`].
    SendOack,
    /// Send these blocks.
    Send(Blocks),
    /// Nothing before that time, unless something arrives.
    WaitUntil(Duration),
    /// It is over.
    End(End),
}

/// How a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The client has the whole file.
    Done,
    /// The client only wanted to know the size: it broke off before the first block.
    Probe,
    /// The client broke off, with this error code.
    Aborted(u16),
    /// The client fell silent.
    Silent,
}

/// One transfer. Times are durations since any fixed moment.
#[derive(Debug)]
pub struct Session {
    size: u64,
    blksize: u64,
    windowsize: u64,
    oack: Option<Vec<u8>>,
    /// Blocks that the client has.
    acked: u64,
    /// Blocks that were sent at least once since `acked` moved.
    sent: u64,
    /// The last block that was answered by sending its successor again (RFC 7440 section 4).
    repeated: Option<u64>,
    fixed_timeout: Option<Duration>,
    timeout: Duration,
    retries: u32,
    deadline: Option<Duration>,
    end: Option<End>,
}

impl Session {
    /// A session for a file of `size` bytes.
    pub fn new(size: u64, asked: &Options, limits: Limits) -> Self {
        let blksize = asked.blksize.map(|asked| asked.min(limits.blksize.max(DEFAULT_BLKSIZE)));
        let windowsize = asked.windowsize.map(|asked| asked.min(limits.windowsize.max(1)));
        let mut oack = vec![0, 6];
        let mut agree = |name: &str, value: u64| {
            oack.extend(format!("{name}\0{value}\0").as_bytes());
        };
        if let Some(blksize) = blksize {
            agree("blksize", blksize.into());
        }
        if asked.tsize {
            agree("tsize", size);
        }
        if let Some(timeout) = asked.timeout {
            agree("timeout", timeout.into());
        }
        if let Some(windowsize) = windowsize {
            agree("windowsize", windowsize.into());
        }
        let fixed_timeout = asked.timeout.map(|seconds| Duration::from_secs(seconds.into()));
        Self {
            size,
            blksize: blksize.unwrap_or(DEFAULT_BLKSIZE).into(),
            windowsize: windowsize.unwrap_or(1).into(),
            oack: (oack.len() > 2).then_some(oack),
            acked: 0,
            sent: 0,
            repeated: None,
            fixed_timeout,
            timeout: fixed_timeout.unwrap_or(FIRST_TIMEOUT),
            retries: 0,
            deadline: None,
            end: None,
        }
    }

    /// The OACK packet, when one is due.
    pub fn oack(&self) -> Option<&[u8]> {
        self.oack.as_deref()
    }

    /// Bytes of a full block.
    pub fn blksize(&self) -> u64 {
        self.blksize
    }

    /// The most blocks that one [`Step::Send`] asks for.
    pub fn windowsize(&self) -> u64 {
        self.windowsize
    }

    /// Bytes that the client has confirmed.
    pub fn confirmed(&self) -> u64 {
        (self.acked * self.blksize).min(self.size)
    }

    /// The next thing to do at `now`. After a `Send` the blocks count as sent.
    pub fn poll(&mut self, now: Duration) -> Step {
        if let Some(end) = self.end {
            return Step::End(end);
        }
        match self.deadline {
            Some(deadline) if now < deadline => return Step::WaitUntil(deadline),
            Some(_) if self.retries == MAX_RETRIES => {
                // Some clients do not confirm the last block: they have it and are gone.
                let end = if self.sent == self.blocks() { End::Done } else { End::Silent };
                self.end = Some(end);
                return Step::End(end);
            }
            Some(_) => {
                self.retries += 1;
                self.timeout = self.fixed_timeout.unwrap_or((self.timeout * 2).min(MAX_TIMEOUT));
            }
            None => {}
        }
        self.deadline = Some(now + self.timeout);
        if self.oack.is_some() {
            return Step::SendOack;
        }
        let count = self.windowsize.min(self.blocks() - self.acked);
        self.sent = self.acked + count;
        let offset = self.acked * self.blksize;
        let length = (self.sent * self.blksize).min(self.size) - offset;
        Step::Send(Blocks { first: self.acked + 1, count, offset, length })
    }

    /// Takes in a packet of the client. Anything else than ACK and ERROR is passed over.
    pub fn receive(&mut self, packet: &[u8]) {
        match packet {
            [0, 4, high, low, ..] => self.ack(u16::from_be_bytes([*high, *low])),
            [0, 5, high, low, ..] if self.end.is_none() => {
                let code = u16::from_be_bytes([*high, *low]);
                self.end = Some(if self.acked == 0 && self.sent <= self.windowsize && self.oack.is_some() {
                    End::Probe
                } else {
                    End::Aborted(code)
                });
            }
            _ => {}
        }
    }

    /// The file's blocks: the last one is short, or empty.
    fn blocks(&self) -> u64 {
        self.size / self.blksize + 1
    }

    fn ack(&mut self, block: u16) {
        if self.end.is_some() {
            return;
        }
        if self.oack.is_some() {
            if block == 0 {
                self.oack = None;
                self.progress();
            }
            return;
        }
        // Block numbers roll over: what counts is how far it is behind the last one confirmed.
        let step = u64::from(block.wrapping_sub(self.acked as u16));
        if self.acked + step > self.sent {
            return;
        }
        if step == 0 {
            // With a window it says "I miss the next one", once. Without, it is a late copy, and to
            // answer each would double the traffic for ever (the sorcerer's apprentice, RFC 1123).
            if self.windowsize > 1 && self.sent > self.acked && self.repeated != Some(self.acked) {
                self.repeated = Some(self.acked);
                self.deadline = None;
            }
            return;
        }
        self.acked += step;
        self.progress();
        if self.acked == self.blocks() {
            self.end = Some(End::Done);
        }
    }

    fn progress(&mut self) {
        self.retries = 0;
        self.timeout = self.fixed_timeout.unwrap_or(FIRST_TIMEOUT);
        self.deadline = None;
    }
}

#[cfg(test)]
mod tests;
