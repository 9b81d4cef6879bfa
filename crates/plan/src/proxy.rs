//! Through whom servers are asked.
//!
//! `bootwright.proxy=` counts before dracut's `proxy=`; `bootwright.no_proxy=` names the hosts that are asked
//! directly. What is not HTTP(S) (peers, DHCP, names, roots on other machines) goes its own way.

use bootwright_image::cmdline;
use serde::{Deserialize, Serialize};

use crate::Instructions;

/// A proxy, and for whom it is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxy {
    /// `http://[USER:PASSWORD@]HOST[:PORT]`.
    pub url: String,
    /// Names, domains, addresses and networks with commas between them.
    pub except: String,
}

/// The key of dracut.
pub(crate) const KEY: &str = "proxy";

/// The proxy that the line names.
///
/// # Errors
/// What is wrong with dracut's parameter; servers are asked directly then.
pub fn read(instructions: &Instructions) -> Result<Option<Proxy>, String> {
    let of_dracut = || instructions.line.get(KEY).filter(|text| !text.is_empty()).map(str::parse).transpose();
    let proxy = match &instructions.options.proxy {
        Some(own) => Some(own.clone()),
        None => of_dracut().map_err(|problem: String| format!("{KEY}={problem}"))?,
    };
    let except = instructions.options.no_proxy.clone().unwrap_or_default();
    Ok(match proxy {
        Some(cmdline::Proxy::By(url)) => Some(Proxy { url, except }),
        Some(cmdline::Proxy::Off) | None => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_parameter_counts_before_that_of_dracut() {
        let proxy = |line: &str| read(&Instructions::combine(None, line));
        let by = |url: &str, except: &str| Ok(Some(Proxy { url: url.into(), except: except.into() }));
        assert_eq!(proxy("quiet"), Ok(None));
        assert_eq!(proxy("proxy=http://a:3128"), by("http://a:3128", ""));
        assert_eq!(
            proxy("proxy=http://a bootwright.proxy=http://b bootwright.no_proxy=.lab"),
            by("http://b", ".lab")
        );
        assert_eq!(proxy("proxy=http://a bootwright.proxy=off"), Ok(None));
        assert!(proxy("proxy=ftp://a").unwrap_err().contains("ftp://a"));
    }
}
