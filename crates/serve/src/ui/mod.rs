//! The web page: machines with their timelines, and images. Plain HTML made on the server; nothing in it
//! is fetched from anywhere, and no script runs.

pub mod bar;
pub mod html;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bootwright_image::timeline::{Progress, Stage};
use bootwright_netboot::Mac;

use crate::api::{App, Refused};
use crate::recorder::{Seconds, Size};
use crate::state::{Boot, Entry, Machine, now};
use crate::tracker::Glance;
use bar::{PHASES, bar};
use html::Html;

/// Machines on one page; the API tells of all.
const MAX_ROWS: usize = 500;

/// Machines whose progress is shown beside an image; the API tells of all.
const MAX_FETCHING: usize = 20;

const STYLE: &str = include_str!("style.css");

/// Nothing is loaded, nothing runs, nobody frames this page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

/// `/`: all machines, the last heard of first, and the images.
pub async fn overview(State(app): State<Arc<App>>) -> Response {
    let mut page = head("bootwright", "<meta http-equiv=\"refresh\" content=\"5\">");
    images(&mut page, &app);
    machines(&mut page, &app);
    answer(page)
}

/// `/machines/MAC`: every event of a machine's boots, the latest boot first.
pub async fn machine(State(app): State<Arc<App>>, Path(mac): Path<String>) -> Result<Response, Refused> {
    let unknown = || Refused(StatusCode::NOT_FOUND, "no such machine has been seen".into());
    let mac: Mac = mac.parse().map_err(|_| unknown())?;
    let machine = app.recorder.machines().table().machine(mac).cloned().ok_or_else(unknown)?;
    let mut page = head("bootwright: machine", "");
    page.markup("<p><a href=\"/\">all machines</a></p><h2>").text(mac).markup("</h2><p>");
    facts(&mut page, &machine);
    page.markup(" <a href=\"/v1/machines/").text(mac).markup("/chart.svg\">latest boot as a chart</a></p>");
    let boots: Vec<&Boot> = machine.boots().collect();
    for (back, boot) in boots.iter().rev().enumerate() {
        page.markup("<h3>Boot ").text(u64::from(machine.boots_seen).saturating_sub(back as u64));
        page.markup(", begun ").text(ago(boot.started)).markup("</h3>");
        draw(&mut page, boot, bar(boot).1);
        page.markup("<table class=\"events\"><tr><th class=\"n\">after</th><th>stage</th><th>event</th>");
        page.markup("<th class=\"n\">bytes</th></tr>");
        boot.entries.iter().for_each(|entry| event(&mut page, boot, entry));
        page.markup("</table>");
    }
    Ok(answer(page))
}

fn head(title: &'static str, meta: &'static str) -> Html {
    let mut page = Html::default();
    page.markup("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>").text(title);
    page.markup("</title><meta name=\"viewport\" content=\"width=device-width\">").markup(meta);
    page.markup("<style>").markup(STYLE).markup("</style></head><body><h1>bootwright</h1>");
    page
}

fn answer(mut page: Html) -> Response {
    page.markup("<footer>bootwright ").text(env!("CARGO_PKG_VERSION"));
    page.markup(" · <a href=\"/v1/machines\">machines as JSON</a> · <a href=\"/v1/openapi.json\">API</a>");
    page.markup("</footer></body></html>\n");
    let fields = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (fields, page.finish()).into_response()
}

fn images(page: &mut Html, app: &App) {
    page.markup("<h2>Images</h2><table><tr><th>name</th><th>system</th><th>kernel</th><th>mode</th>");
    page.markup("<th class=\"n\">artifacts</th><th>shared by</th></tr>");
    let swarms: HashMap<_, _> =
        app.swarms.glance().into_iter().map(|swarm| (swarm.file.image.clone(), swarm)).collect();
    let images = app.catalogue.images();
    let default = images.iter().find(|image| image.is_bootable()).map(|image| image.name());
    for image in images.iter() {
        let manifest = &image.manifest;
        page.markup("<tr><td><a href=\"/images/").text(&manifest.name).markup("/image.json\">");
        page.text(&manifest.name).markup("</a>");
        if default == Some(image.name()) {
            page.markup(" <small>default</small>");
        }
        page.markup("</td><td>").text(manifest.os.as_deref().unwrap_or("–"));
        page.markup("</td><td>").text(&manifest.kernel).markup(" ").text(&manifest.architecture);
        page.markup("</td><td>").text(manifest.mode.name()).markup("</td><td class=\"n\">");
        for (nth, artifact) in manifest.artifacts.iter().enumerate() {
            page.text(if nth > 0 { " · " } else { "" }).text(&artifact.file);
            page.markup(" <small>").text(Size(artifact.size)).markup("</small>");
        }
        page.markup("</td><td>");
        if let Some(swarm) = swarms.get(image.name()) {
            sharing(page, app, swarm);
        }
        page.markup("</td></tr>");
    }
    page.markup("</table>");
}

/// Who has how much: how many have everything, and each that has not.
fn sharing(page: &mut Html, app: &App, swarm: &Glance) {
    page.text(swarm.complete).markup(" complete");
    let mut fetching: Vec<_> = swarm.peers.iter().filter(|(_, peer)| peer.left > 0).collect();
    fetching.sort_by_key(|(_, peer)| peer.left);
    for (address, peer) in fetching.iter().take(MAX_FETCHING) {
        let have = swarm.file.size.saturating_sub(peer.left);
        let percent = have.saturating_mul(100).checked_div(swarm.file.size).unwrap_or(100);
        page.markup("<br><small>");
        match app.recorder.machines().at(address.ip()) {
            Some(mac) => page.text(mac),
            None => page.text(address),
        };
        page.text(format_args!(": {percent} % of {}", Size(swarm.file.size))).markup("</small>");
    }
    if fetching.len() > MAX_FETCHING {
        let more = fetching.len() - MAX_FETCHING;
        page.markup("<br><small>").text(more).markup(" more: see /v1/swarms</small>");
    }
}

fn machines(page: &mut Html, app: &App) {
    let table = app.recorder.machines().table();
    let mut all: Vec<_> = table.machines().collect();
    all.sort_by_key(|(_, machine)| std::cmp::Reverse(machine.last));
    let count = all.len();
    all.truncate(MAX_ROWS);
    page.markup("<h2>Machines</h2>");
    if all.is_empty() {
        page.markup("<p>None has asked yet. Start one that boots from the network.</p>");
        return;
    }
    page.markup("<p class=\"legend\">");
    for phase in PHASES {
        page.markup("<span class=\"").text(phase.class()).markup("\"></span>").text(phase.name());
    }
    page.markup("</p><table><tr><th>machine</th><th>image</th><th>state</th><th class=\"wide\">boot</th>");
    page.markup("<th class=\"n\">time</th><th class=\"n\">last seen</th></tr>");
    let longest = all.iter().map(|(_, machine)| bar(&machine.boot).1).max().unwrap_or(0);
    for (mac, machine) in &all {
        row(page, *mac, machine, longest);
    }
    page.markup("</table>");
    if count > all.len() {
        page.markup("<p>").text(count - all.len()).markup(" more: see the JSON.</p>");
    }
}

fn row(page: &mut Html, mac: Mac, machine: &Machine, longest: u64) {
    let last = machine.boot.entries.last();
    let (class, state) = state(last);
    page.markup("<tr><td><a href=\"/machines/").text(mac).markup("\">").text(mac).markup("</a><br><small>");
    facts(page, machine);
    page.markup("</small></td><td>").text(machine.facts.image.as_deref().unwrap_or("–"));
    page.markup("</td><td><b class=\"").text(class).markup("\">").text(state).markup("</b><br><small>");
    page.text(last.map_or("", |entry| entry.event.text.as_str())).markup("</small>");
    if let Some(progress) = &machine.progress {
        sources(page, progress);
    }
    page.markup("</td><td>");
    draw(page, &machine.boot, longest);
    let took = Duration::from_millis(bar(&machine.boot).1);
    page.markup("</td><td class=\"n\">").text(Seconds(took));
    page.markup("</td><td class=\"n\">").text(ago(machine.last)).markup("</td></tr>");
}

/// How much of its root a machine has, and from whom.
fn sources(page: &mut Html, progress: &Progress) {
    let percent = u128::from(progress.stored) * 100 / u128::from(progress.total.max(1));
    page.markup("<br><small>").text(percent).markup(" %: ").text(Size(progress.mirrors));
    page.markup(" from mirrors, ").text(Size(progress.peers)).markup(" from machines, ");
    page.text(Size(progress.given)).markup(" given");
    let refused: u64 = progress.refused.values().map(|count| u64::from(*count)).sum();
    if refused > 0 {
        let from: Vec<&str> = progress.refused.keys().map(String::as_str).collect();
        page.markup(", ").text(refused).markup(" damaged chunks from ").text(from.join(", "));
    }
    page.markup("</small>");
}

fn facts(page: &mut Html, machine: &Machine) {
    let facts = &machine.facts;
    let address = facts.address.map(|address| address.to_string());
    let all = [facts.platform.as_ref(), address.as_ref(), facts.serial.as_ref(), facts.uuid.as_ref()];
    for (nth, fact) in all.into_iter().flatten().enumerate() {
        page.text(if nth > 0 { " · " } else { "" }).text(fact);
    }
}

fn state(last: Option<&Entry>) -> (&'static str, &'static str) {
    match last.map(|entry| entry.event.stage) {
        Some(Stage::System) => ("up", "up"),
        Some(Stage::Failure) => ("failed", "failed"),
        Some(_) => ("busy", "boots"),
        None => ("", "–"),
    }
}

/// A bar whose full width stands for `longest` milliseconds.
fn draw(page: &mut Html, boot: &Boot, longest: u64) {
    let percent = |millis: u64| format!("{:.2}", millis as f64 * 100.0 / longest.max(1) as f64);
    page.markup("<div class=\"bar\">");
    for segment in bar(boot).0 {
        let time = Seconds(Duration::from_millis(segment.millis));
        page.markup("<span class=\"").text(segment.phase.class()).markup("\" style=\"width:");
        page.text(percent(segment.millis)).markup("%\" title=\"").text(segment.phase.name());
        page.markup(": ").text(time).markup("\"></span>");
    }
    page.markup("</div>");
}

fn event(page: &mut Html, boot: &Boot, entry: &Entry) {
    let after = Duration::from_millis(entry.event.at.saturating_sub(boot.started));
    page.markup("<tr><td class=\"n\">").text(Seconds(after)).markup("</td><td>");
    page.text(format!("{:?}", entry.event.stage).to_lowercase()).markup("</td><td>").text(&entry.event.text);
    if entry.count > 2 {
        page.markup(" <small>in ").text(entry.count / 2).markup(" requests</small>");
    }
    page.markup("</td><td class=\"n\">");
    if let Some(bytes) = entry.event.bytes {
        page.text(Size(bytes));
    }
    page.markup("</td></tr>");
}

fn ago(then: u64) -> String {
    match now().saturating_sub(then) / 1000 {
        0..5 => "just now".into(),
        seconds @ 5..120 => format!("{seconds} s ago"),
        seconds @ 120..7200 => format!("{} min ago", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} days ago", seconds / 86_400),
    }
}
