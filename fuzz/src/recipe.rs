//! Recipes.

use std::path::Path;

use bootwright_build::recipe::{Recipe, RecipeError, Template};
use bootwright_image::manifest::Mode;

/// Every fault that is told lies within the text.
pub fn target(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Err(RecipeError::Faults { problems, .. }) = Recipe::parse(Path::new("bootwright.toml"), &text) {
        assert!(problems.iter().all(|problem| problem.span.end <= text.len()));
    }
}

/// A valid input.
pub fn seed() -> Vec<u8> {
    let template = Template {
        name: "worker".into(),
        suite: "trixie".into(),
        packages: vec!["curl".into()],
        hostname: Some("worker".into()),
        ssh_keys: vec!["ssh-ed25519 AAAA me".into()],
        mode: Mode::Ram,
    };
    template.render().into_bytes()
}
