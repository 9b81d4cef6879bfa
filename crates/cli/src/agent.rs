//! The agent that this binary carries: the `/init` of every initrd that it builds.

/// The static program, as build.rs made it or `BOOTWRIGHT_AGENT` gave it.
const AGENT: &[u8] = include_bytes!(env!("BOOTWRIGHT_AGENT_FILE"));

/// The agent's bytes.
///
/// # Errors
/// A sentence, when this binary was built with an empty `BOOTWRIGHT_AGENT`.
pub fn bytes() -> Result<&'static [u8], &'static str> {
    match AGENT.starts_with(b"\x7fELF") {
        true => Ok(AGENT),
        false => Err(
            "this bootwright was built without an agent: build it again without BOOTWRIGHT_AGENT, or with \
                      the file of one",
        ),
    }
}
