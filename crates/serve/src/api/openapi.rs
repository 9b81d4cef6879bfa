//! `/v1/openapi.json`: the description of the API, written by hand in `openapi.json` beside this file.

use axum::response::Response;

use super::fresh;

/// The document; its version is that of the program.
pub const DOCUMENT: &str = include_str!("openapi.json");

/// Answers with the document.
pub async fn document() -> Response {
    fresh("application/json", DOCUMENT.replace("VERSION", env!("CARGO_PKG_VERSION")))
}
