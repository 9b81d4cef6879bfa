//! What a scenario waits for, asks and does, and its evidence.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use bootwright_image::timeline::{Event, Stage};
use bootwright_vm::{Machine, Network as _, Server};
use regex_lite::Regex;

use crate::{PATIENCE, Scenario, done};

/// Lines of console and servers in the evidence.
const TAIL: usize = 80;

impl Scenario {
    /// Waits until the console shows a line that matches, behind what it showed last; gives the line.
    pub fn sees(&self, pattern: &str) -> String {
        match self.running().expect(&regex(pattern), PATIENCE) {
            Ok(seen) => seen.line,
            Err(unseen) => panic!("the console: {}", unseen.summary()),
        }
    }

    /// Waits until a kernel tells its command line, in which `words` stand in a row; gives the line.
    pub fn sees_command_line(&self, words: &str) -> String {
        self.sees(&format!("Kernel command line: .*{}( |$)", regex_lite::escape(words.trim())))
    }

    /// Whether any line of the console so far matches.
    pub fn has_seen(&self, pattern: &str) -> bool {
        !self.running().console().matching(&regex(pattern)).is_empty()
    }

    /// Lines of another server that match.
    pub fn said(&self, name: &str, pattern: &str) -> Vec<String> {
        let services = self.others.iter().filter(|(other, _)| other == name);
        let matching = services.flat_map(|(_, service)| service.transcript().matching(&regex(pattern)));
        matching.map(|seen| seen.line).collect()
    }

    /// Waits until the machine has switched itself off.
    pub fn powers_off(&mut self) {
        let Some(machine) = &mut self.machine else { panic!("no machine was booted") };
        if done("waiting for the machine", machine.wait(PATIENCE)).is_none() {
            panic!("the machine still runs");
        }
    }

    /// Switches the machine off as a power cut would; another one can be booted then.
    pub fn switch_off(mut self) -> Self {
        self.machine = None;
        self
    }

    /// Types on the console.
    pub fn types(&mut self, text: &str) {
        match &mut self.machine {
            Some(machine) => done("typing", machine.type_text(text)),
            None => panic!("no machine was booted"),
        }
    }

    /// How many machines the server has heard of.
    pub fn machines_known(&self) -> usize {
        let machines = done("asking for /v1/machines", self.server().machines(&self.lab));
        machines.as_array().map_or(0, Vec::len)
    }

    /// The machine's timeline as the server tells it.
    pub fn timeline(&self) -> Vec<Event> {
        let machines = done("asking for /v1/machines", self.server().machines(&self.lab));
        let list = machines.as_array().map(Vec::as_slice).unwrap_or_default();
        let mine = list.iter().find(|machine| machine["mac"] == self.running().mac());
        let events = mine.map(|machine| machine["events"].clone()).unwrap_or_default();
        if events.is_null() {
            return Vec::new();
        }
        done("reading a timeline", serde_json::from_value(events))
    }

    /// Waits until the server knows an event of that stage whose text matches; gives the text.
    pub fn reports(&self, stage: Stage, pattern: &str) -> String {
        let (pattern, begun) = (regex(pattern), Instant::now());
        loop {
            let events = self.timeline();
            let found = events.iter().find(|event| event.stage == stage && pattern.is_match(&event.text));
            if let Some(event) = found {
                return event.text.clone();
            }
            let patience = Duration::from_secs(60);
            assert!(begun.elapsed() < patience, "no event {stage:?} matches /{}/", pattern.as_str());
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// The server's picture of the machine's boot.
    pub fn chart(&self) -> String {
        let path = format!("/v1/machines/{}/chart.svg", self.running().mac());
        String::from_utf8_lossy(&done("asking for a chart", self.lab.get(&path))).into_owned()
    }

    /// Asserts that the timeline has these stages, in this order by their first events.
    pub fn went_through(&self, stages: &[Stage]) {
        let events = self.timeline();
        let first = |stage: &Stage| events.iter().position(|event| event.stage == *stage);
        let positions: Vec<_> = stages.iter().map(first).collect();
        assert!(positions.iter().all(Option::is_some), "of the stages {stages:?} some are missing");
        assert!(positions.is_sorted(), "the stages {stages:?} came in another order");
    }

    /// Kills the server as a power cut would.
    pub fn kill_server(&mut self) {
        match self.server.take() {
            Some(server) => done("killing the server", server.kill()),
            None => panic!("no server was started"),
        }
    }

    /// Starts the server again as it was.
    pub fn restart_server(self) -> Self {
        let (dhcp, by_tftp) = (self.serving.dhcp, self.serving.by_tftp);
        self.serve_with(dhcp, by_tftp)
    }

    /// Lets no more than `megabits` a second through to the machine.
    pub fn slow_down(self, megabits: u32) -> Self {
        let mut tc = self.lab.command("tc");
        tc.args(["qdisc", "add", "dev", self.running().tap().unwrap_or_default(), "root", "tbf"]);
        tc.args(["rate", &format!("{megabits}mbit"), "burst", "64kb", "latency", "200ms"]);
        assert!(done("running tc", tc.status()).success(), "tc (package iproute2) failed");
        self
    }

    /// Pulls the machine's network cable out.
    pub fn unplugged(self) -> Self {
        done("pulling a cable", self.running().unplug());
        self
    }

    /// Serves a root manifest that says the same in other bytes, as another build would.
    pub fn another_root_manifest(self) -> Self {
        let path = self.image().join("root.json");
        let mut bytes = done("reading root.json", std::fs::read(&path));
        // It is served by its size.
        if let Some(last) = bytes.last_mut() {
            *last = b' ';
        }
        done("writing root.json", std::fs::write(path, bytes));
        self
    }

    /// Lets everything through again.
    pub fn full_speed(&self) {
        let mut tc = self.lab.command("tc");
        tc.args(["qdisc", "del", "dev", self.running().tap().unwrap_or_default(), "root"]);
        assert!(done("running tc", tc.status()).success(), "tc (package iproute2) failed");
    }

    /// Pulls the machine's cable out of the switch.
    pub fn pull_the_cable(&self) {
        self.cable("down");
    }

    /// Puts the machine's cable back.
    pub fn plug_in(&self) {
        self.cable("up");
    }

    fn cable(&self, state: &str) {
        let tap = self.running().tap().unwrap_or_default();
        done("setting a cable", self.lab.ip(&format!("link set {tap} {state}\n")));
    }

    /// Turns one bit of the served `root.img` round, in its middle.
    pub fn flip_a_bit_of_the_root(self) -> Self {
        let path = self.image().join("root.img");
        let file = done("opening root.img", OpenOptions::new().read(true).write(true).open(path));
        let middle = done("looking at root.img", file.metadata()).len() / 2;
        let mut byte = [0];
        done("reading root.img", file.read_exact_at(&mut byte, middle));
        byte[0] ^= 1;
        done("writing root.img", file.write_all_at(&byte, middle));
        self
    }

    /// Cuts the second half of the served `root.img` off.
    pub fn truncate_the_root(self) -> Self {
        let path = self.image().join("root.img");
        let file = done("opening root.img", OpenOptions::new().write(true).open(path));
        let size = done("looking at root.img", file.metadata()).len();
        done("truncating root.img", file.set_len(size / 2));
        self
    }

    pub(crate) fn running(&self) -> &Machine {
        match &self.machine {
            Some(machine) => machine,
            None => panic!("no machine was booted"),
        }
    }

    fn server(&self) -> &Server {
        match &self.server {
            Some(server) => server,
            None => panic!("no server was started"),
        }
    }

    fn print_evidence(&self) {
        let section = |title: &str, lines: Vec<String>| {
            eprintln!("── {title}");
            lines.iter().for_each(|line| eprintln!("   {line}"));
        };
        if let Some(machine) = &self.machine {
            section("the console's last lines", machine.console().tail(TAIL));
        }
        if let Some(machine) = &self.earlier {
            section("the other machine's console", machine.console().tail(TAIL));
        }
        for (name, service) in &self.others {
            section(name, service.transcript().tail(TAIL));
        }
        if let Some(server) = &self.server {
            section("bootwright serve", server.transcript().tail(TAIL));
            let machines = match server.machines(&self.lab) {
                Ok(machines) => format!("{machines:#}"),
                Err(error) => error.to_string(),
            };
            section("/v1/machines", machines.lines().map(str::to_owned).collect());
        }
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_evidence();
        }
    }
}

fn regex(pattern: &str) -> Regex {
    match Regex::new(pattern) {
        Ok(regex) => regex,
        Err(error) => panic!("the pattern /{pattern}/: {error}"),
    }
}
