//! What a console or a server says, line by line, and waiting for a line.
//!
//! Escape sequences of terminals are taken out; `\r` ends a line as `\n` does, so that each state of a
//! progress line is a line; empty lines are left out.

use std::collections::VecDeque;
use std::fmt;
use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use regex_lite::Regex;

/// Lines that are kept; older ones go, so that a machine that floods its console costs bounded memory.
const MAX_LINES: usize = 50_000;
/// Bytes of a line; a longer one is cut into several, for the same reason.
const MAX_LINE: usize = 4096;
/// Lines that a failed expectation shows.
const TAIL: usize = 40;

/// A growing text that several threads may wait on. Clones share it.
#[derive(Debug, Clone)]
pub struct Transcript {
    shared: Arc<(Mutex<State>, Condvar)>,
}

/// A line that an expectation found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Time since the transcript began.
    pub at: Duration,
    /// The line, as far as it had come.
    pub line: String,
}

/// An expectation that was not met, with the evidence.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub struct NotSeen {
    /// The pattern.
    pub pattern: String,
    /// How long it was waited for.
    pub waited: Duration,
    /// Whether the text ended, since its writer did.
    pub ended: bool,
    /// The last lines.
    pub tail: Vec<String>,
}

#[derive(Debug)]
struct State {
    start: Instant,
    lines: VecDeque<Seen>,
    /// Lines that went away at the front.
    dropped: usize,
    /// The line that has not ended yet.
    partial: Vec<u8>,
    escape: Escape,
    ended: bool,
    /// Where the next expectation begins to look: a line (dropped ones counted) and a byte in it.
    next: (usize, usize),
}

/// Where in an escape sequence of ECMA-48 the text stands.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Escape {
    None,
    /// After ESC.
    Begun,
    /// After `ESC [`: until a byte of 0x40..=0x7e.
    Control,
    /// After `ESC ]`: until BEL or `ESC \`.
    System,
}

impl Default for Transcript {
    fn default() -> Self {
        let state = State {
            start: Instant::now(),
            lines: VecDeque::new(),
            dropped: 0,
            partial: Vec::new(),
            escape: Escape::None,
            ended: false,
            next: (0, 0),
        };
        Self { shared: Arc::new((Mutex::new(state), Condvar::new())) }
    }
}

impl Transcript {
    /// Takes in what `source` gives until it ends, in a thread; `copy` gets the same bytes unchanged.
    pub fn follow(&self, mut source: impl Read + Send + 'static, mut copy: Option<Box<dyn Write + Send>>) {
        let transcript = self.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            loop {
                let count = match source.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => count,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    Err(_) => break,
                };
                let bytes = buffer.get(..count).unwrap_or_default();
                transcript.push(bytes);
                // A copy that cannot be written (a closed terminal, a full disk) must not stop the machine.
                if copy
                    .as_mut()
                    .is_some_and(|copy| copy.write_all(bytes).and_then(|()| copy.flush()).is_err())
                {
                    copy = None;
                }
            }
            transcript.end();
        });
    }

    /// Takes in the next bytes.
    pub fn push(&self, bytes: &[u8]) {
        let mut state = self.lock();
        bytes.iter().for_each(|byte| state.take(*byte));
        drop(state);
        self.shared.1.notify_all();
    }

    /// Says that no more will come.
    pub fn end(&self) {
        let mut state = self.lock();
        state.close_line();
        state.ended = true;
        drop(state);
        self.shared.1.notify_all();
    }

    /// Waits until a line matches, also one that has not ended (a prompt), and begins behind what the
    /// last expectation found.
    ///
    /// # Errors
    /// [`NotSeen`] with the last lines when the time or the text ends.
    pub fn expect(&self, pattern: &Regex, timeout: Duration) -> Result<Seen, NotSeen> {
        let begun = Instant::now();
        let mut state = self.lock();
        loop {
            if let Some(seen) = state.search(pattern) {
                return Ok(seen);
            }
            let left = timeout.saturating_sub(begun.elapsed());
            if state.ended || left.is_zero() {
                return Err(NotSeen {
                    pattern: pattern.as_str().to_owned(),
                    waited: begun.elapsed(),
                    ended: state.ended,
                    tail: state.tail(TAIL),
                });
            }
            let waited = self.shared.1.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for line `number`, counted from 0, to be complete; `None` when the text ends before. A line
    /// that is no longer kept gives the oldest that is.
    pub fn line(&self, number: usize) -> Option<Seen> {
        let mut state = self.lock();
        loop {
            if let Some(seen) = state.lines.get(number.saturating_sub(state.dropped)) {
                return Some(seen.clone());
            }
            if state.ended {
                return None;
            }
            state = self.shared.1.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Every line so far that matches, wherever expectations stand.
    pub fn matching(&self, pattern: &Regex) -> Vec<Seen> {
        let state = self.lock();
        state.lines.iter().filter(|seen| pattern.is_match(&seen.line)).cloned().collect()
    }

    /// Whether no more will come: what is listened to has ended.
    pub fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// The last `count` lines.
    pub fn tail(&self, count: usize) -> Vec<String> {
        self.lock().tail(count)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panicked while it held the lock leaves at worst half a line.
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, byte: u8) {
        self.escape = match (self.escape, byte) {
            (Escape::None, 0x1b) => Escape::Begun,
            (Escape::Begun, b'[') => Escape::Control,
            (Escape::Begun, b']') => Escape::System,
            // ESC with intermediate bytes, as in `ESC ( B`, ends with the first other one.
            (Escape::Begun, 0x20..=0x2f) => Escape::Begun,
            (Escape::Begun, _) => Escape::None,
            (Escape::Control, 0x40..=0x7e) => Escape::None,
            (Escape::Control, _) => Escape::Control,
            (Escape::System, 0x07) => Escape::None,
            (Escape::System, 0x1b) => Escape::Begun,
            (Escape::System, _) => Escape::System,
            (Escape::None, b'\r' | b'\n') => return self.close_line(),
            (Escape::None, _) => {
                if byte >= 0x20 || byte == b'\t' {
                    self.partial.push(byte);
                }
                if self.partial.len() >= MAX_LINE {
                    self.close_line();
                }
                return;
            }
        };
    }

    fn close_line(&mut self) {
        if self.partial.is_empty() {
            return;
        }
        let line = String::from_utf8_lossy(&self.partial).into_owned();
        self.partial.clear();
        self.lines.push_back(Seen { at: self.start.elapsed(), line });
        if self.lines.len() > MAX_LINES {
            self.lines.pop_front();
            self.dropped += 1;
        }
    }

    /// The next match, behind which the next search begins.
    fn search(&mut self, pattern: &Regex) -> Option<Seen> {
        let (mut line, mut column) = self.next;
        if line < self.dropped {
            (line, column) = (self.dropped, 0);
        }
        for (index, seen) in self.lines.iter().enumerate().skip(line - self.dropped) {
            let from = if index + self.dropped == line { column } else { 0 };
            if seen.line.get(from..).is_some_and(|rest| pattern.is_match(rest)) {
                self.next = (index + self.dropped + 1, 0);
                return Some(seen.clone());
            }
        }
        let last = self.dropped + self.lines.len();
        let from = if line == last { column } else { 0 };
        self.next = (last, from);
        let text = String::from_utf8_lossy(&self.partial).into_owned();
        let end = pattern.find(text.get(from..)?)?.end();
        self.next = (last, from + end);
        Some(Seen { at: self.start.elapsed(), line: text })
    }

    fn tail(&self, count: usize) -> Vec<String> {
        let skipped = self.lines.len().saturating_sub(count);
        let mut lines: Vec<_> = self.lines.iter().skip(skipped).map(|seen| seen.line.clone()).collect();
        if !self.partial.is_empty() {
            lines.push(String::from_utf8_lossy(&self.partial).into_owned());
        }
        lines
    }
}

impl NotSeen {
    /// What was not seen, without the last lines.
    pub fn summary(&self) -> String {
        let why = if self.ended { "before it ended" } else { "in time" };
        format!("no line matched /{}/ {why} ({:.1} s)", self.pattern, self.waited.as_secs_f64())
    }
}

impl fmt::Display for NotSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())?;
        if self.tail.is_empty() {
            return f.write_str("; nothing at all was said");
        }
        f.write_str("; the last lines were:")?;
        self.tail.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

impl fmt::Debug for NotSeen {
    /// The same as for people: a failed test shows this form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    fn pattern(text: &str) -> Regex {
        Regex::new(text).unwrap()
    }

    #[test]
    fn a_prompt_without_end_of_line_is_seen_and_the_next_search_begins_behind_it() {
        let console = Transcript::default();
        console.push(b"hello login: ");
        assert_eq!(console.expect(&pattern("login:"), SHORT).unwrap().line, "hello login: ");
        assert!(console.expect(&pattern("login:"), SHORT).is_err());
        console.push(b"root\r\nhello login: ");
        assert!(console.expect(&pattern("login:"), SHORT).is_ok());
    }

    #[test]
    fn lines_come_in_order_and_each_is_found_once() {
        let console = Transcript::default();
        console.push(b"one\ntwo\none\n");
        for word in ["one", "two", "one"] {
            assert_eq!(console.expect(&pattern(word), SHORT).unwrap().line, word);
        }
        assert!(console.expect(&pattern("one"), SHORT).is_err());
        assert_eq!(console.matching(&pattern("one")).len(), 2);
    }

    #[test]
    fn escape_sequences_and_repaints_do_not_hide_text() {
        let console = Transcript::default();
        console.push(b"\x1b[2J\x1b[01;01H\x1b]0;title\x07BdsDxe: \x1b[1mloa\x1b(Bding\r\n\r\n10 %\r20 %\r");
        console.end();
        assert_eq!(console.tail(9), ["BdsDxe: loading", "10 %", "20 %"]);
    }

    #[test]
    fn an_unmet_expectation_shows_the_last_lines_and_why_it_ended() {
        let console = Transcript::default();
        console.push(b"Kernel panic\n");
        console.end();
        let error = console.expect(&pattern("login:"), Duration::from_secs(60)).unwrap_err();
        assert!(error.ended);
        assert!(error.to_string().contains("before it ended"), "{error}");
        assert!(error.to_string().ends_with("\n    Kernel panic"), "{error}");
    }

    #[test]
    fn a_flood_is_bounded_and_the_newest_lines_stay() {
        let console = Transcript::default();
        console.push(&vec![b'x'; 3 * MAX_LINE]);
        assert_eq!(console.tail(9).len(), 3);
        for n in 0..MAX_LINES + 10 {
            console.push(format!("line {n}\n").as_bytes());
        }
        assert_eq!(console.lock().lines.len(), MAX_LINES);
        let newest = format!("line {}$", MAX_LINES + 9);
        assert!(console.expect(&pattern(&newest), SHORT).is_ok());
    }

    #[test]
    fn lines_can_be_followed_to_the_end() {
        let console = Transcript::default();
        console.push(b"one\ntwo");
        console.end();
        let lines: Vec<_> = (0..).map_while(|number| console.line(number)).map(|seen| seen.line).collect();
        assert_eq!(lines, ["one", "two"]);
    }

    #[test]
    fn a_waiting_thread_wakes_when_the_line_comes() {
        let console = Transcript::default();
        let (reader, mut writer) = std::io::pipe().unwrap();
        console.follow(reader, None);
        let waiting = console.clone();
        let thread = std::thread::spawn(move || waiting.expect(&pattern("up"), Duration::from_secs(20)));
        writer.write_all(b"system up\n").unwrap();
        assert_eq!(thread.join().unwrap().unwrap().line, "system up");
    }
}
