//! The test: every story at every interval and view.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::expect::faults;
use super::promtool::{self, Fired};
use super::rules::{self, View};
use super::story::{Rules, Story};
use super::told;
use crate::common::root;

/// One way of scraping and evaluating.
#[derive(Clone, Copy, Debug)]
struct Variant {
    /// Seconds between scrapes, and between evaluations.
    interval: u64,
    /// Seconds from the start of a story to the first scrape.
    phase: u64,
    view: View,
    /// Rules generated for a configuration that keeps the label `cluster`.
    written: bool,
    /// With the rules of early warning, even if the story does not need them.
    early: bool,
}

const AT_ONCE: View = View { age: 0, under_way: false, left_open: false };

const fn variant(interval: u64, phase: u64, view: View, written: bool) -> Variant {
    Variant { interval, phase, view, written, early: false }
}

/// Variants of the gate: each story has one, and together the stories cover all of them.
const VARIANTS: &[Variant] = &[
    variant(15, 0, AT_ONCE, false),
    variant(15, 7, View { age: 8, under_way: true, left_open: true }, true),
    variant(30, 11, View { age: 17, under_way: false, left_open: true }, false),
    variant(30, 0, View { age: 5, under_way: true, left_open: false }, false),
    variant(60, 0, View { age: 5, under_way: true, left_open: true }, false),
    variant(60, 31, View { age: 40, under_way: false, left_open: false }, true),
    variant(60, 47, View { age: 1, under_way: false, left_open: true }, false),
    variant(120, 20, View { age: 30, under_way: false, left_open: true }, false),
    variant(105, 35, View { age: 60, under_way: false, left_open: true }, false),
];

/// Additional variants of `./scripts/test long stories`.
fn all_variants() -> Vec<Variant> {
    let mut all = Vec::new();
    for interval in [10, 15, 30, 60, 105, 120] {
        for phase in [0, interval / 3, interval / 2] {
            for age in [0, 1, interval / 2, interval - 1] {
                for (under_way, left_open) in [(false, false), (false, true), (true, false), (true, true)] {
                    if age > 0 || !under_way {
                        let written = (phase + age) % 2 == 1;
                        all.push(variant(interval, phase, View { age, under_way, left_open }, written));
                    }
                }
            }
        }
    }
    all
}

/// The configuration for which rules are generated, with every ensemble by its name.
fn configuration(stories: &[&Story]) -> String {
    let mut out = String::from("ensembles:\n");
    let mut names: Vec<&str> = Vec::new();
    for story in stories.iter().filter(|story| story.rules != Rules::Shipped) {
        let watched = story.world.exporters.iter().flat_map(|exporter| &exporter.watches);
        names.extend(watched.map(|place| story.world.ensembles[*place].name.as_str()));
    }
    names.sort_unstable();
    names.dedup();
    for name in names {
        out.push_str(&format!("  - {{name: {name}, members: ['zk-1:2181', 'zk-2:2181', 'zk-3:2181']}}\n"));
    }
    out.push_str("alerts:\n  keep_labels: [cluster]\n");
    out
}

/// Tests stories in one run of promtool; returns the deviations by the name of the story.
fn tell(stories: &[&Story], variant: Variant) -> BTreeMap<&'static str, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let mut from = root().join("alert-rules");
    if variant.written {
        from = folder.path().join("written");
        let config = folder.path().join("config.yml");
        std::fs::create_dir(&from).unwrap();
        std::fs::write(&config, configuration(stories)).unwrap();
        let command = Command::new(env!("CARGO_BIN_EXE_zookeeper-exporter"))
            .args(["rules", "--config.file"])
            .args([&config, Path::new("--out"), &from])
            .output()
            .unwrap();
        assert!(command.status.success(), "{}", String::from_utf8_lossy(&command.stderr));
    }
    let early = variant.early || stories.iter().any(|story| story.early);
    let names: &[&str] = if early { &["zookeeper.yml", "early-warning.yml"] } else { &["zookeeper.yml"] };
    let (files, wanted) = rules::write(&from, names, variant.view, folder.path());
    let mut input = String::new();
    for story in stories {
        input.push_str(&story.series(variant.interval, variant.phase).input_series(&wanted));
    }
    let longest = stories.iter().map(|story| story.minutes).fold(0.0, f64::max);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "minutes of a story")]
    let seconds = (longest * 60.0) as u64 - variant.phase;
    let fired = promtool::run(folder.path(), &files, &input, variant.interval, seconds);
    #[expect(clippy::cast_precision_loss, reason = "seconds of a story")]
    let (step, shift) = (variant.interval as f64 / 60.0, (variant.phase + variant.view.age) as f64 / 60.0);
    #[expect(clippy::cast_precision_loss, reason = "seconds of a story")]
    let moments: Vec<f64> = (0..=seconds / variant.interval).map(|number| number as f64 * step + shift).collect();
    let moved = |times: &Vec<f64>| times.iter().map(|time| nearest(&moments, time + shift)).collect();
    stories
        .iter()
        .map(|story| {
            let own: Fired = fired
                .iter()
                .filter(|(firing, _)| is_about(story, &firing.labels))
                .map(|(firing, times)| (firing.clone(), moved(times)))
                .collect();
            (story.name, faults(story, &own, &moments))
        })
        .collect()
}

fn nearest(moments: &[f64], time: f64) -> f64 {
    moments.iter().copied().min_by(|one, other| (one - time).abs().total_cmp(&(other - time).abs())).unwrap_or(time)
}

/// Whether an alert belongs to a story: by its ensemble, or by its target.
fn is_about(story: &Story, labels: &BTreeMap<String, String>) -> bool {
    match (labels.get("ensemble"), labels.get("instance")) {
        (Some(name), _) => story.world.ensembles.iter().any(|ensemble| ensemble.name == *name),
        (None, Some(instance)) => {
            instance.split(['.', ':']).any(|part| part == story.name)
                || story.world.exporters.iter().any(|exporter| exporter.instance == *instance)
        }
        (None, None) => false,
    }
}

/// Number of stories per run: enough to share the rules, few enough to keep all processors busy until the end.
const TOGETHER: usize = 12;

fn fits(story: &Story, variant: &Variant) -> bool {
    story.intervals.contains(&variant.interval)
        && match story.rules {
            Rules::Both => true,
            Rules::Written => variant.written,
            Rules::Shipped => !variant.written,
        }
}

/// The stories of each variant. Without `all`, a story has one variant of one of its intervals, in turn; a story of
/// more than an hour omits 15 s.
fn chosen<'s>(stories: &'s [Story], variants: &[Variant], all: bool) -> Vec<(Variant, Vec<&'s Story>)> {
    let mut out: Vec<(Variant, Vec<&Story>)> = variants.iter().map(|variant| (*variant, Vec::new())).collect();
    for (turn, story) in stories.iter().enumerate() {
        let is_covered =
            |interval: u64| variants.iter().any(|variant| variant.interval == interval && fits(story, variant));
        let is_short = |interval: u64| all || interval > 15 || story.minutes <= 60.0;
        let usable: Vec<u64> =
            story.intervals.iter().copied().filter(|interval| is_covered(*interval) && is_short(*interval)).collect();
        for (number, interval) in usable.iter().enumerate() {
            if !all && number != turn % usable.len() {
                continue;
            }
            let mut fitting: Vec<&mut (Variant, Vec<&Story>)> =
                out.iter_mut().filter(|(variant, _)| variant.interval == *interval && fits(story, variant)).collect();
            let number = fitting.len();
            for (place, (_, told)) in fitting.iter_mut().enumerate() {
                if all || place == turn / usable.len() % number {
                    told.push(story);
                }
            }
        }
    }
    out
}

/// Tests every story in these variants; returns the deviations with story and variant.
fn tell_all(stories: &[Story], variants: &[Variant], all: bool) -> BTreeMap<&'static str, Vec<String>> {
    let mut jobs: Vec<(Vec<&'static str>, Variant)> = Vec::new();
    for (variant, mut told) in chosen(stories, variants, all) {
        // Stories of similar length and with the same rules.
        told.sort_by(|one, other| one.early.cmp(&other.early).then(one.minutes.total_cmp(&other.minutes)));
        for same in told.chunk_by(|one, other| one.early == other.early && other.minutes <= 1.5 * one.minutes) {
            for part in same.chunks(TOGETHER) {
                jobs.push((part.iter().map(|story| story.name).collect(), variant));
            }
        }
    }
    // The longest first.
    let length = |names: &[&str]| {
        let named = stories.iter().filter(|story| names.contains(&story.name));
        named.map(|story| story.minutes).fold(0.0, f64::max)
    };
    jobs.sort_by(|(one, a), (other, b)| {
        #[expect(clippy::cast_precision_loss, reason = "seconds between scrapes")]
        let steps = |names: &[&str], variant: &Variant| length(names) / variant.interval as f64;
        steps(other, b).total_cmp(&steps(one, a))
    });
    let (next, found) = (AtomicUsize::new(0), Mutex::new(BTreeMap::<&'static str, Vec<String>>::new()));
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                // The events of a story are not `Send`: each thread creates its own.
                let own = told::stories();
                while let Some((names, variant)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let stories: Vec<&Story> = own.iter().filter(|story| names.contains(&story.name)).collect();
                    let begun = std::time::Instant::now();
                    let told = tell(&stories, *variant);
                    let Variant { interval, phase, view, written, .. } = variant;
                    let how = format!("{interval} s, phase {phase}, {view:?}, written {written}");
                    // Visible with --nocapture.
                    eprintln!("[{how}] {} stories, {:.0} s", told.len(), begun.elapsed().as_secs_f64());
                    for (name, wrong) in told {
                        for wrong in &wrong {
                            eprintln!("{name}: [{how}] {wrong}");
                        }
                        let mut found = found.lock().unwrap();
                        found.entry(name).or_default().extend(wrong.iter().map(|wrong| format!("[{how}] {wrong}")));
                    }
                }
            });
        }
    });
    found.into_inner().unwrap()
}

/// `STORIES=full` selects every variant instead of those of the gate, `VARIANT=3` one of them, `STORY=name,other` the
/// stories whose name contains one of these; the latter two also show known failures. `ALERTS=A,B` evaluates only these
/// alerts, which takes a fraction of the time.
#[test]
fn every_story_raises_exactly_its_alerts() {
    let full = std::env::var("STORIES").is_ok_and(|value| value == "full");
    let focused = ["VARIANT", "STORY"].iter().any(|name| std::env::var(name).is_ok());
    let only = std::env::var("STORY").unwrap_or_default();
    let mut variants = if full { all_variants() } else { VARIANTS.to_vec() };
    if let Ok(number) = std::env::var("VARIANT") {
        variants = vec![variants[number.parse::<usize>().expect("VARIANT is a number")]];
    }
    let mut stories = told::stories();
    stories.retain(|story| only.split(',').any(|part| story.name.contains(part)));
    if !full && !focused {
        // Every second story: all of them take ten minutes on two cores.
        let mut place = 0..;
        stories.retain(|_| place.next().is_some_and(|place| place % 2 == 0));
    }
    let found = tell_all(&stories, &variants, full || focused);
    let mut wrong = Vec::new();
    for (name, faults) in &found {
        let expected = !focused && told::KNOWN_TO_FAIL.iter().any(|(known, _)| known == name);
        if expected && faults.is_empty() {
            wrong.push(format!("{name}: is right now; take it out of KNOWN_TO_FAIL"));
        } else if !expected {
            wrong.extend(faults.iter().map(|fault| format!("{name}: {fault}")));
        }
    }
    assert!(wrong.is_empty(), "{} of {} stories\n{}", wrong.len(), found.len(), wrong.join("\n"));
}
