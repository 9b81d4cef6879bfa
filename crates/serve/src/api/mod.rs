//! Everything that is answered by HTTP and is no artifact: iPXE scripts, the API under `/v1`, the page.

mod boot;
mod chart;
mod openapi;
mod report;
mod swarm;
mod trace;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bootwright_image::{Manifest, timeline};
use bootwright_netboot::Mac;
use serde::Serialize;

pub use boot::Scripts;
pub use report::MAX_REPORT;

use crate::images::Catalogue;
use crate::recorder::Recorder;
use crate::swarms::Swarms;
use crate::ui;

/// What the answers are made from.
pub struct App {
    /// The images.
    pub catalogue: Arc<Catalogue>,
    /// The machines, and where events go.
    pub recorder: Arc<Recorder>,
    /// Which machine boots what, as iPXE scripts.
    pub scripts: Scripts,
    /// Who shares what.
    pub swarms: Swarms,
}

/// Every route, with the methods it knows: the router and the OpenAPI document are both held to it.
pub const ROUTES: &[(&str, &str)] = &[
    ("get", "/"),
    ("get", "/machines/{mac}"),
    ("get", "/announce"),
    ("get", "/boot.ipxe"),
    ("get", "/metrics"),
    ("get", "/scrape"),
    ("get", "/v1/health"),
    ("get", "/v1/images"),
    ("get", "/v1/machines"),
    ("get", "/v1/machines/{mac}"),
    ("get", "/v1/machines/{mac}/chart.json"),
    ("get", "/v1/machines/{mac}/chart.svg"),
    ("get", "/v1/openapi.json"),
    ("post", "/v1/report"),
    ("get", "/v1/swarms"),
    ("post", "/v1/trace"),
];

/// The router.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(ui::overview))
        .route("/machines/{mac}", get(ui::machine))
        .route("/announce", get(swarm::announce))
        .route("/boot.ipxe", get(boot::script))
        .route("/metrics", get(metrics))
        .route("/scrape", get(swarm::scrape))
        .route("/v1/health", get(health))
        .route("/v1/images", get(images))
        .route("/v1/machines", get(machines))
        .route("/v1/machines/{mac}", get(machine))
        .route("/v1/machines/{mac}/chart.json", get(chart::json))
        .route("/v1/machines/{mac}/chart.svg", get(chart::svg))
        .route("/v1/openapi.json", get(openapi::document))
        .route("/v1/report", post(report::take))
        .route("/v1/swarms", get(swarm::swarms))
        .route("/v1/trace", post(trace::take))
        .fallback(async || Refused(StatusCode::NOT_FOUND, "nothing is here: see /v1/openapi.json".into()))
        .layer(DefaultBodyLimit::max(MAX_REPORT))
        .with_state(app)
}

/// An answer that is a refusal: `{"error": "…"}`.
pub struct Refused(pub StatusCode, pub String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(serde_json::json!({ "error": self.1 }))).into_response()
    }
}

async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Refused> {
    let failed = |_| Refused(StatusCode::INTERNAL_SERVER_ERROR, "the numbers cannot be written".into());
    Ok(fresh(crate::metrics::CONTENT_TYPE, app.recorder.metrics().text(&app).map_err(failed)?))
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
    images: usize,
    machines: usize,
}

async fn health(State(app): State<Arc<App>>) -> Json<Health> {
    Json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
        images: app.catalogue.images().len(),
        machines: app.recorder.machines().table().machines().count(),
    })
}

async fn images(State(app): State<Arc<App>>) -> Json<Vec<Manifest>> {
    Json(app.catalogue.images().iter().map(|image| image.manifest.clone()).collect())
}

async fn machines(State(app): State<Arc<App>>) -> Json<Vec<timeline::Machine>> {
    let table = app.recorder.machines().table();
    Json(table.machines().map(|(mac, machine)| machine.tell(mac)).collect())
}

async fn machine(
    State(app): State<Arc<App>>,
    Path(mac): Path<String>,
) -> Result<Json<timeline::Machine>, Refused> {
    let mac: Mac = mac.parse().map_err(|error| Refused(StatusCode::BAD_REQUEST, format!("{error}")))?;
    let table = app.recorder.machines().table();
    let unknown = || Refused(StatusCode::NOT_FOUND, format!("no machine {mac} has been seen"));
    table.machine(mac).map(|machine| Json(machine.tell(mac))).ok_or_else(unknown)
}

/// An answer that must not be kept by anyone, of an exact type.
fn fresh(content_type: &'static str, body: String) -> Response {
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")], body).into_response()
}

#[cfg(test)]
mod tests;
