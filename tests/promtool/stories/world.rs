//! Ensembles and exporters that advance together in time.

use std::collections::BTreeMap;

use super::ensemble::Ensemble;
use super::exporter::{Exporter, Target};
use super::series::Book;
use super::server::{Process, Server};

/// The ensembles and exporters of a story.
#[derive(Clone, Debug)]
pub struct World {
    pub now: f64,
    pub ensembles: Vec<Ensemble>,
    pub exporters: Vec<Exporter>,
}

impl World {
    /// One ensemble with these numbers of voters and observers, and one exporter.
    pub fn new(name: &str, voters: u32, observers: u32) -> Self {
        Self {
            now: 0.0,
            ensembles: vec![Ensemble::new(name, voters, observers)],
            exporters: vec![Exporter::new(&format!("a.{name}"), &[0])],
        }
    }

    /// The ensemble of a story with a single one.
    pub fn zk(&mut self) -> &mut Ensemble {
        &mut self.ensembles[0]
    }

    /// A server of the first ensemble.
    pub fn server(&mut self, id: u32) -> &mut Server {
        self.ensembles[0].server(id)
    }

    /// Ends the process of a server.
    pub fn stop(&mut self, id: u32) {
        let now = self.now;
        let server = self.server(id);
        server.look(now);
        server.process = Process::Stopped;
    }

    /// Starts the process of a server, which loads for this number of seconds.
    pub fn start(&mut self, id: u32, loads: f64) {
        let now = self.now;
        let server = self.server(id);
        server.figures = super::figures::Figures::begin();
        server.role = super::server::Role::Looking;
        server.looking_since = now;
        server.process = Process::Loading(now + loads);
    }

    /// Suspends a process: SIGSTOP, or a very long pause of the JVM.
    pub fn suspend(&mut self, id: u32) {
        let now = self.now;
        self.server(id).process = Process::Suspended(now);
    }

    /// Continues a suspended process.
    pub fn resume(&mut self, id: u32) {
        let now = self.now;
        let leader = self.ensembles[0].leader_id();
        let server = self.server(id);
        if let Process::Suspended(since) = server.process {
            server.process = Process::Running;
            if now - since >= server.sync_limit || leader.is_none() {
                server.look(now);
            }
        }
    }

    /// The id of the leader of the first ensemble; 1 if there is none.
    pub fn leader(&self) -> u32 {
        self.ensembles[0].leader_id().unwrap_or(1)
    }

    /// Makes all members of the ensemble unreachable from an exporter.
    pub fn blind(&mut self, exporter: usize) {
        let places = self.exporters[exporter].watches.clone();
        self.exporters[exporter].unreachable.extend(places.into_iter().map(|place| (place, 0)));
    }

    /// Makes a server unreachable from one exporter.
    pub fn out_of_sight(&mut self, exporter: usize, id: u32) {
        self.exporters[exporter].unreachable.insert((0, id));
    }

    /// Advances by `step` seconds.
    pub fn advance(&mut self, step: f64) {
        self.now += step;
        for ensemble in &mut self.ensembles {
            ensemble.advance(self.now, step);
        }
    }

    /// Scrapes every target once.
    pub fn scrape(&mut self, book: &mut Book) {
        let mut samples = BTreeMap::new();
        for exporter in &mut self.exporters {
            let labels = exporter.labels();
            match exporter.target {
                Target::Gone => {}
                Target::Down => drop(samples.insert(format!("up{{{labels}}}"), "0".to_owned())),
                Target::Up => {
                    samples.insert(format!("up{{{labels}}}"), "1".to_owned());
                    for line in exporter.page(&self.ensembles, self.now).lines() {
                        if let Some((series, value)) = line.rsplit_once(' ')
                            && !line.starts_with('#')
                            && wanted(series)
                        {
                            samples.insert(with_labels(series, &labels), value.to_owned());
                        }
                    }
                }
            }
        }
        book.scrape(samples);
    }
}

/// Quantiles and similar parts are not used by rules; without them the tests take half the time.
fn wanted(series: &str) -> bool {
    !series.contains("quantile=\"")
}

fn with_labels(series: &str, labels: &str) -> String {
    match series.strip_suffix('}') {
        Some(head) => format!("{head},{labels}}}"),
        None => format!("{series}{{{labels}}}"),
    }
}
