//! Whether the root fits into memory, asked before the first byte of it is fetched.

use std::fs;

/// What has to stay free beside the root: the overlay's first files and the system's start. A system that
/// gets less is killed by the kernel before it can say why.
const RESERVE: u64 = 96 << 20;

/// More memory is needed than there is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "too little memory: {what} takes {} MiB and {} MiB must stay free beside it, but only {} of {} MiB are \
     available: give the machine at least {} MiB", mib(.needed), mib(&RESERVE), mib(.available), mib(.total),
    mib(&(.total.saturating_add(.needed + RESERVE).saturating_sub(*.available))).div_ceil(64) * 64
)]
pub struct MemoryError {
    what: String,
    needed: u64,
    available: u64,
    total: u64,
}

/// Passes when `needed` bytes for `what` fit into what /proc/meminfo calls available.
pub fn check(what: &str, needed: u64) -> Result<(), MemoryError> {
    match fs::read_to_string("/proc/meminfo").as_deref().map(parse) {
        Ok(Some(memory)) => compare(what, needed, memory),
        // A kernel without the figure: the store will say when it is full.
        _ => Ok(()),
    }
}

/// The bytes that may be fetched when nobody says how many will come; `None` when the kernel does not say.
pub fn room() -> Option<u64> {
    let memory = fs::read_to_string("/proc/meminfo").ok().as_deref().and_then(parse)?;
    Some(memory.available.saturating_sub(RESERVE))
}

fn compare(what: &str, needed: u64, memory: Memory) -> Result<(), MemoryError> {
    let Memory { available, total } = memory;
    match needed.checked_add(RESERVE) {
        Some(wanted) if wanted <= available => Ok(()),
        _ => Err(MemoryError { what: what.to_owned(), needed: needed.min(u64::MAX / 4), available, total }),
    }
}

/// Bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Memory {
    total: u64,
    available: u64,
}

/// Reads `MemTotal` and `MemAvailable`, which are given in units of 1024 bytes (proc_meminfo(5)).
fn parse(meminfo: &str) -> Option<Memory> {
    let value = |key: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    };
    Some(Memory { total: value("MemTotal")?, available: value("MemAvailable")? })
}

fn mib(bytes: &u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MEMINFO: &str = "MemTotal:         262144 kB\nMemFree:  1 kB\nMemAvailable:     204800 kB\n";

    #[test]
    fn a_root_that_fits_with_its_reserve_passes_and_one_byte_more_does_not() {
        let memory = parse(MEMINFO).unwrap();
        assert_eq!(memory, Memory { total: 256 << 20, available: 200 << 20 });
        assert_eq!(compare("root.img", 104 << 20, memory), Ok(()));
        let error = compare("root.img", (104 << 20) + 1, memory).unwrap_err();
        assert_eq!(
            error.to_string(),
            "too little memory: root.img takes 105 MiB and 96 MiB must stay free beside it, but only 200 of \
             256 MiB are available: give the machine at least 320 MiB"
        );
        assert!(compare("root.img", u64::MAX, memory).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(text in "(MemTotal|MemAvailable)?:? *[0-9]{0,25} kB\n.*") {
            let _ = parse(&text);
        }
    }
}
