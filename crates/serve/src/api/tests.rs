//! The router, asked directly: no socket is needed.

use std::net::{IpAddr, SocketAddr};

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::Request;
use bootwright_netboot::assign::{Image, Rules};
use serde_json::{Value, json};
use tower_service::Service as _;

use super::*;
use crate::images::Found;
use crate::state::Machines;
use crate::testing::image;

struct Site {
    router: Router,
    catalogue: Arc<Catalogue>,
    _place: tempfile::TempDir,
}

const MAC: &str = "52:54:00:12:34:56";

fn site(allow: &[&str]) -> Site {
    let place = tempfile::tempdir().unwrap();
    let directory = image(place.path(), "worker_1", b"root");
    let images = vec![Image { name: "worker_1".into(), cpu: None }];
    let allow = allow.iter().map(|mac| mac.parse().unwrap()).collect();
    let rules = Arc::new(Rules::new(images, Vec::new(), allow).unwrap());
    let catalogue = Arc::new(Catalogue::open(vec![directory]).unwrap().0);
    let app = App {
        swarms: Swarms::new(&catalogue, Vec::new(), None),
        catalogue: Arc::clone(&catalogue),
        recorder: Arc::new(Recorder::new(Arc::new(Machines::in_memory()), Box::new(|_| {}))),
        scripts: Scripts::new("http://10.0.0.1".into(), rules, Vec::new()),
    };
    Site { router: router(Arc::new(app)), catalogue, _place: place }
}

impl Site {
    async fn ask(&mut self, method: &str, path: &str, body: impl Into<Body>) -> (u16, String) {
        let mut request = Request::builder().method(method).uri(path).body(body.into()).unwrap();
        let peer = SocketAddr::new(IpAddr::from([10, 0, 0, 50]), 1234);
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = self.router.call(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    async fn json(&mut self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, "").await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    async fn report(&mut self, report: &Value) -> (u16, String) {
        self.ask("POST", "/v1/report", report.to_string()).await
    }
}

fn report(text: &str) -> Value {
    let event = json!({"stage": "agent", "uptime": 1.5, "text": text});
    json!({"machine": {"mac": MAC, "uuid": "<u>"}, "image": "worker_1", "events": [event]})
}

#[tokio::test]
async fn what_an_agent_reports_is_found_under_its_machine() {
    let mut site = site(&[]);
    assert_eq!(site.report(&report("agent runs")).await, (200, "{\"events\":1}".into()));
    let machine = site.json(&format!("/v1/machines/{MAC}")).await;
    assert_eq!(machine["events"][0]["text"], "agent runs");
    assert_eq!(machine["address"], "10.0.0.50");
    assert_eq!(site.json("/v1/machines").await, json!([machine]));
    assert_eq!(site.json("/v1/health").await["machines"], 1);
}

#[tokio::test]
async fn reports_that_make_no_sense_are_refused_with_the_cause() {
    let mut site = site(&[]);
    let (status, body) = site.ask("POST", "/v1/report", "{").await;
    assert_eq!(status, 400, "{body}");
    let mut wrong = report("x");
    wrong["machine"]["mac"] = "nobody".into();
    let (status, body) = site.report(&wrong).await;
    assert!(status == 400 && body.contains("machine.mac"), "{body}");
    let mut many = report("x");
    many["events"] = vec![many["events"][0].clone(); 101].into();
    assert_eq!(site.report(&many).await.0, 400);
    assert_eq!(site.ask("POST", "/v1/report", "x".repeat(MAX_REPORT + 1)).await.0, 413);
    assert_eq!(site.json("/v1/machines").await, json!([]));
}

#[tokio::test]
async fn a_machine_that_is_not_allowed_is_not_heard() {
    let mut site = site(&["52:54:00:00:00:99"]);
    assert_eq!(site.report(&report("x")).await.0, 403);
    let (_, script) = site.ask("GET", &format!("/boot.ipxe?mac={MAC}&arch=7"), "").await;
    assert!(script.contains("not on the list of allowed machines"), "{script}");
}

#[tokio::test]
async fn ipxe_is_asked_who_it_is_and_then_given_its_image() {
    let mut site = site(&[]);
    let (_, first) = site.ask("GET", "/boot.ipxe", "").await;
    assert!(first.starts_with("#!ipxe\nchain --replace http://10.0.0.1/boot.ipxe?mac=${mac"), "{first}");
    let (_, bios) =
        site.ask("GET", &format!("/boot.ipxe?mac={MAC}&platform=pcbios&buildarch=i386"), "").await;
    assert!(
        bios.contains("console=ttyS0 quiet bootwright.image=http://10.0.0.1/images/worker_1/image.json"),
        "{bios}"
    );
    let machine = site.json(&format!("/v1/machines/{MAC}")).await;
    assert_eq!(machine["image"], "worker_1");
}

#[tokio::test]
async fn the_page_shows_what_machines_say_and_runs_none_of_it() {
    let mut site = site(&[]);
    site.report(&report("<script>alert(1)</script>")).await;
    for path in ["/".to_owned(), format!("/machines/{MAC}")] {
        let (status, page) = site.ask("GET", &path, "").await;
        assert_eq!(status, 200);
        assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
        assert!(!page.contains("<script") && !page.contains("<u>") && !page.contains("<13>"), "{page}");
    }
    assert_eq!(site.ask("GET", "/machines/%3Cb%3E", "").await.0, 404);
}

#[tokio::test]
async fn metrics_count_boots_and_peers() {
    let mut site = site(&[]);
    site.report(&report("x")).await;
    let hash: String = site.json("/v1/swarms").await[0]["info_hash"].as_str().unwrap().into();
    let hash: String =
        hash.as_bytes().chunks(2).map(|b| format!("%{}{}", b[0] as char, b[1] as char)).collect();
    site.ask("GET", &format!("/announce?info_hash={hash}&peer_id=aaaaaaaaaaaaaaaaaaaa&port=7&left=2"), "")
        .await;
    let (status, text) = site.ask("GET", "/metrics", "").await;
    assert_eq!(status, 200);
    for line in [
        "bootwright_boots_total 1",
        "bootwright_machines{state=\"boots\"} 1",
        "bootwright_peers{image=\"worker_1\",state=\"incomplete\"} 1",
        "bootwright_peers_left_bytes{image=\"worker_1\"} 2",
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
}

#[tokio::test]
async fn who_sent_what_is_told_by_the_machine_and_summed_up() {
    let mut site = site(&[]);
    let told = |stored: u64, refused: u32| {
        json!({"machine": {"mac": MAC}, "events": [], "progress": {"total": 100, "stored": stored,
            "mirrors": 10, "peers": stored - 10, "refused": {"peer 10.0.0.7": refused}}})
    };
    site.report(&report("x")).await;
    site.report(&told(40, 1)).await;
    site.report(&told(60, 3)).await;
    let machine = site.json(&format!("/v1/machines/{MAC}")).await;
    assert_eq!(machine["progress"]["peers"], 50);
    let (_, text) = site.ask("GET", "/metrics", "").await;
    for line in [
        "bootwright_machines_fetched_bytes_total{from=\"mirrors\"} 10",
        "bootwright_machines_fetched_bytes_total{from=\"peers\"} 50",
        "bootwright_refused_chunks_total{from=\"peer 10.0.0.7\"} 3",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    let (_, page) = site.ask("GET", "/", "").await;
    assert!(page.contains("60 %: 10 bytes from mirrors, 50 bytes from machines"), "{page}");
    assert!(page.contains("3 damaged chunks from peer 10.0.0.7"), "{page}");
}

#[tokio::test]
async fn the_openapi_document_describes_every_route_and_no_other() {
    let mut site = site(&[]);
    site.report(&report("x")).await;
    let document = site.json("/v1/openapi.json").await;
    let mut described = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            described.push((method.as_str(), path.as_str()));
        }
    }
    described.sort_unstable();
    let mut routes = ROUTES.to_vec();
    routes.sort_unstable();
    assert_eq!(described, routes);
    for (method, path) in ROUTES {
        let (status, _) = site.ask(&method.to_uppercase(), &path.replace("{mac}", MAC), "{}").await;
        assert!(status != 404 && status != 405, "{method} {path} is not routed: {status}");
    }
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn what_the_api_says_has_the_fields_that_the_document_names() {
    let mut site = site(&[]);
    let mut told = report("x");
    told["progress"] = json!({"total": 4, "stored": 2, "refused": {"peer 10.0.0.7": 1}});
    site.report(&told).await;
    let document = site.json("/v1/openapi.json").await;
    let machine = site.json(&format!("/v1/machines/{MAC}")).await;
    let manifest = site.json("/v1/images").await[0].clone();
    let hash: String = site.json("/v1/swarms").await[0]["info_hash"].as_str().unwrap().into();
    let hash: String =
        hash.as_bytes().chunks(2).map(|pair| format!("%{}{}", pair[0] as char, pair[1] as char)).collect();
    let announce =
        format!("/announce?info_hash={hash}&peer_id=aaaaaaaaaaaaaaaaaaaa&port=7&left=2&event=started");
    let (_, answer) = site.ask("GET", &announce, "").await;
    assert!(answer.starts_with("d8:completei0e10:incompletei1e"), "{answer}");
    let (_, page) = site.ask("GET", "/", "").await;
    assert!(page.contains("0 complete<br><small>52:54:00:12:34:56: 50 % of 4 bytes"), "{page}");
    let swarm = site.json("/v1/swarms").await[0].clone();
    let peer = swarm["peers"][0].clone();
    assert_eq!((&peer["mac"], &peer["left"], &swarm["image"]), (&json!(MAC), &json!(2), &json!("worker_1")));
    for (name, value) in [
        ("Progress", machine["progress"].clone()),
        ("Machine", machine),
        ("Manifest", manifest),
        ("Health", site.json("/v1/health").await),
        ("Swarm", swarm),
        ("Peer", peer),
    ] {
        let schema = &document["components"]["schemas"][name];
        for key in value.as_object().unwrap().keys() {
            assert!(schema["properties"].get(key).is_some(), "{name}.{key} is not described");
        }
        for required in schema["required"].as_array().unwrap() {
            assert!(value.get(required.as_str().unwrap()).is_some(), "{name}.{required} is missing");
        }
    }
}

fn trace(root: &str, chunks: &[u32]) -> String {
    json!({"machine": {"mac": MAC}, "root": root, "chunks": chunks}).to_string()
}

#[tokio::test]
async fn what_boots_read_first_is_told_to_the_next_ones() {
    let mut site = site(&[]);
    let listed = site.json("/v1/images").await;
    let artifacts = listed[0]["artifacts"].as_array().unwrap();
    let root = artifacts.iter().find(|artifact| artifact["kind"] == "root-manifest").unwrap();
    let root = root["digest"].as_str().unwrap().to_owned();
    let path = "/images/worker_1/trace.json";
    assert!(matches!(site.catalogue.find(path), Found::Missing(_)));
    for boots in 1..3 {
        let (status, body) = site.ask("POST", "/v1/trace", trace(&root, &[0])).await;
        assert_eq!((status, body), (200, format!("{{\"image\":\"worker_1\",\"boots\":{boots}}}")));
    }
    let Found::Entity(entity) = site.catalogue.find(path) else { panic!("no trace") };
    let crate::images::Body::Memory(bytes) = &entity.body else { panic!("not in memory") };
    let told: Value = serde_json::from_slice(bytes).unwrap();
    assert_eq!(told, json!({"root": root, "chunks": [0]}));
    // A chunk that this root has not, one that is there twice, another root, no trace.
    for (body, status) in [
        (trace(&root, &[1]), 400),
        (trace(&root, &[0, 0]), 400),
        (trace(&format!("sha256:{}", "00".repeat(32)), &[0]), 404),
        ("{}".to_owned(), 400),
    ] {
        assert_eq!(site.ask("POST", "/v1/trace", body.clone()).await.0, status, "{body}");
    }
}

#[tokio::test]
async fn a_machine_that_is_not_allowed_leaves_no_trace() {
    let mut site = site(&["52:54:00:00:00:99"]);
    assert_eq!(
        site.ask("POST", "/v1/trace", trace(&format!("sha256:{}", "00".repeat(32)), &[])).await.0,
        403
    );
}
