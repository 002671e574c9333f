//! The status page: no text of a member becomes markup.

use std::collections::BTreeSet;
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use zookeeper_exporter::alert::Thresholds;
use zookeeper_exporter::config::Command;
use zookeeper_exporter::ensemble::{Known, Membership};
use zookeeper_exporter::http::{Links, Since, ensemble_page, fleet_page};
use zookeeper_exporter::scrape::reading::SeenConf;
use zookeeper_exporter::scrape::report::Identity;
use zookeeper_exporter::scrape::{EnsembleReport, MemberReport, Report, Samples, State};
use zookeeper_exporter::wire::Reason;

const HOSTILE: [&str; 8] =
    ["<script>alert(1)</script>", "\"><img src=x>", "' onload='x", "&lt;", "&amp;&", "</td></table>", "<!--", "]]>"];

/// A report with hostile texts must have the same tags as the same report with plain words.
pub fn status(data: &[u8]) {
    let Ok(wanted) = Wanted::read(&mut Unstructured::new(data)) else { return };
    let plain = wanted.plain();
    for (hostile, harmless) in
        [(fleet(&wanted.report()), fleet(&plain.report())), (ensemble(&wanted.report()), ensemble(&plain.report()))]
    {
        for mark in ['<', '>', '"'] {
            let count = |page: &str| page.matches(mark).count();
            assert_eq!(count(&hostile), count(&harmless), "{mark} came through:\n{hostile}\n{harmless}");
        }
        let bare = hostile.match_indices('&').filter(|(place, _)| {
            !["&amp;", "&lt;", "&gt;", "&quot;"].iter().any(|escape| hostile[*place..].starts_with(escape))
        });
        assert_eq!(bare.count(), 0, "an ampersand came through: {hostile}");
    }
}

fn since(report: &Report) -> Vec<Since> {
    report.ensembles.iter().map(|ensemble| Since::first(ensemble, &Thresholds::default())).collect()
}

fn fleet(report: &Report) -> String {
    fleet_page(report, since(report), &Links::default()).into_string()
}

fn ensemble(report: &Report) -> String {
    ensemble_page(report, since(report), "prod", &Links::default()).into_string()
}

/// Texts of a member: name, version, server id, and the value of a setting.
type Texts = [String; 4];

struct Wanted {
    members: Vec<(Texts, State, Option<u64>)>,
}

impl Wanted {
    fn read(input: &mut Unstructured<'_>) -> Result<Self> {
        let mut members = Vec::new();
        for number in 0..input.int_in_range(1..=4)? {
            let mut texts = Texts::default();
            for text in &mut texts {
                *text = match input.int_in_range(0..=3)? {
                    0 => (*input.choose(&HOSTILE)?).to_owned(),
                    1 => format!("{}{}", input.choose(&HOSTILE)?, input.arbitrary::<&str>()?),
                    _ => input.arbitrary::<&str>()?.to_owned(),
                };
            }
            // Names must be unique.
            texts[0].push_str(&number.to_string());
            let zxid = input.arbitrary::<Option<u64>>()?;
            members.push((texts, *input.choose(&State::ALL)?, zxid));
        }
        Ok(Self { members })
    }

    /// The same report with plain words in place of the texts; equal texts become equal words.
    fn plain(&self) -> Self {
        let all: BTreeSet<&String> = self.members.iter().flat_map(|(texts, _, _)| texts).collect();
        let word = |text: &String| match all.iter().position(|known| *known == text) {
            Some(place) if !text.is_empty() => format!("w{place}"),
            _ => String::new(),
        };
        let members = self.members.iter().map(|(texts, state, zxid)| (texts.each_ref().map(word), *state, *zxid));
        Self { members: members.collect() }
    }

    fn report(&self) -> Report {
        let members = self.members.iter().map(|([name, version, id, setting], state, zxid)| MemberReport {
            up: *state != State::NoAnswer,
            state: *state,
            zxid: *zxid,
            identity: Some(Identity { version: version.clone(), server_id: id.clone(), ..Identity::default() }),
            conf: Some(Arc::new(SeenConf {
                settings: vec![("tickTime".into(), setting.clone())],
                membership: None::<Membership>,
                ..SeenConf::default()
            })),
            failures: vec![(Command::Mntr, Reason::Garbage)],
            ..MemberReport::silent(name.as_str().into())
        });
        Report {
            ensembles: vec![Arc::new(EnsembleReport {
                name: "prod".into(),
                members: members.collect(),
                known: Known::default(),
                samples: Samples::default(),
            })],
        }
    }
}
