//! HTML that cannot be broken by what it shows: all text is escaped on its way in.

use std::fmt::{self, Display, Write as _};

/// A page in the making.
#[derive(Debug, Default)]
pub struct Html(String);

impl Html {
    /// Adds markup, which is ours.
    pub fn markup(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Adds text, which may be anybody's. Fit for content and for attributes in double quotes.
    pub fn text(&mut self, text: impl Display) -> &mut Self {
        // Writing into a String does not fail.
        let _ = write!(Escape(&mut self.0), "{text}");
        self
    }

    /// The page.
    pub fn finish(self) -> String {
        self.0
    }
}

struct Escape<'a>(&'a mut String);

impl fmt::Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_makes_markup(text in "\\PC{0,60}|[<>\"'&a]{0,20}") {
            let mut html = Html::default();
            html.text(&text);
            let escaped = html.finish();
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
            let back = escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
            prop_assert_eq!(back.replace("&#39;", "'").replace("&amp;", "&"), text);
        }
    }
}
