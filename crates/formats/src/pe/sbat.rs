//! SBAT: the generations by which Secure Boot revokes what turned out vulnerable.
//!
//! Specification: `SBAT.md` of shim. A section `.sbat` is UTF-8 in comma-separated values, a component
//! a line, and starts with its own version:
//!
//! ```text
//! sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md
//! component name,generation,vendor,package,version,URL
//! ```

/// The line that each section starts with.
pub const HEADER: &str = "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md";

/// The component that stands for the UKI itself, as ukify adds it when it is given none.
pub const UKI: &str = "uki,1,UKI,uki,1,https://uapi-group.org/specifications/specs/unified_kernel_image/";

/// Why a text is no SBAT.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SbatError {
    /// Not UTF-8.
    #[error("SBAT of {0}: not UTF-8")]
    Encoding(String),
    /// The first line is missing.
    #[error("SBAT of {0}: the first line must start with \"sbat,\"")]
    Header(String),
    /// A line without name and generation.
    #[error("SBAT of {origin}, line {line}: {text:?} must start with a name and a generation from 1")]
    Component {
        /// Whose.
        origin: String,
        /// Which line, counted from 1.
        line: usize,
        /// The line.
        text: String,
    },
}

/// Checks one text and gives its components, the first line left out. `origin` names it in errors.
pub fn components<'a>(content: &'a [u8], origin: &str) -> Result<Vec<&'a str>, SbatError> {
    let text = std::str::from_utf8(content).map_err(|_| SbatError::Encoding(origin.to_owned()))?;
    let mut lines = text.trim_end_matches(['\0', '\n', '\r']).lines().zip(1..);
    if !lines.next().is_some_and(|(line, _)| line.starts_with("sbat,")) {
        return Err(SbatError::Header(origin.to_owned()));
    }
    let mut components = Vec::new();
    for (text, line) in lines.filter(|(text, _)| !text.is_empty()) {
        let mut fields = text.split(',');
        let name = fields.next().unwrap_or_default();
        let generation = fields.next().and_then(|field| field.parse::<u32>().ok());
        if name.is_empty() || generation.is_none_or(|generation| generation == 0) {
            return Err(SbatError::Component { origin: origin.to_owned(), line, text: text.to_owned() });
        }
        components.push(text);
    }
    Ok(components)
}

/// One section out of the components of all, in order, each line once; it ends with NUL as shim wants.
pub fn merge<'a>(components: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let mut lines = vec![HEADER];
    for component in components {
        if !lines.contains(&component) {
            lines.push(component);
        }
    }
    let mut section = lines.join("\n").into_bytes();
    section.extend_from_slice(b"\n\0");
    section
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_merged_behind_one_header_each_once() {
        let stub =
            format!("{HEADER}\nsystemd,1,The systemd Developers,systemd,252,https://systemd.io/\n\0\0");
        let user = format!("{HEADER}\n{UKI}\nmine,3\n");
        let mut all = components(stub.as_bytes(), "stub").unwrap();
        all.extend(components(user.as_bytes(), "user").unwrap());
        all.push(UKI);
        let merged = merge(all.iter().copied());
        let text = String::from_utf8(merged).unwrap();
        let lines: Vec<_> = text.trim_end_matches('\0').lines().collect();
        let systemd = "systemd,1,The systemd Developers,systemd,252,https://systemd.io/";
        assert_eq!(lines, [HEADER, systemd, UKI, "mine,3"]);
        assert!(text.ends_with("\n\0"));
    }

    #[test]
    fn a_text_without_header_or_generation_is_refused_by_line() {
        assert_eq!(components(b"uki,1\n", "x"), Err(SbatError::Header("x".into())));
        assert_eq!(components(b"\xff", "x"), Err(SbatError::Encoding("x".into())));
        for bad in ["name", "name,", "name,0", "name,one", ",1"] {
            let text = format!("{HEADER}\nfine,1\n{bad}\n");
            let error = components(text.as_bytes(), "x");
            assert!(matches!(error, Err(SbatError::Component { line: 3, .. })), "{bad}");
        }
    }
}
