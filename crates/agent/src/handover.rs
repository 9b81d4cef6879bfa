//! What the worker tells PID 1 when it ends: one line of JSON on its standard output.

use serde::{Deserialize, Serialize};

/// The longest message that PID 1 reads: it carries two paths or a line of text, nothing more.
pub const MAX_MESSAGE: u64 = 64 << 10;

/// What PID 1 shall do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HandOver {
    /// The new root is mounted: move into it and become its init.
    SwitchRoot {
        /// Where the new root is mounted.
        root: String,
        /// Its init, a path inside the new root.
        init: String,
    },
    /// A kernel is loaded: start it.
    Kexec,
    /// What was told has been done, and the root is not to be entered: start the machine anew.
    Reboot,
    /// The same: switch the machine off.
    Poweroff,
    /// The boot failed. The worker has said why and has reported it.
    Failed,
}

impl HandOver {
    /// The line.
    pub fn to_line(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Reads what the worker wrote; `None` when it wrote none or something else.
    pub fn from_output(output: &[u8]) -> Option<Self> {
        serde_json::from_slice(output).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_the_pipe_and_a_torn_one_is_none() {
        let message = HandOver::SwitchRoot { root: "/sysroot".into(), init: "/sbin/init".into() };
        let line = message.to_line().unwrap();
        assert_eq!(HandOver::from_output(line.as_bytes()), Some(message));
        assert_eq!(HandOver::from_output(&line.as_bytes()[..line.len() - 1]), None);
        assert_eq!(HandOver::from_output(b""), None);
    }
}
