//! An ensemble of members with arbitrary reports: the verdict is consistent, and independent of the order of the
//! members.

use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use zookeeper_exporter::catalogue::is_own;
use zookeeper_exporter::exposition::{Format, Names};
use zookeeper_exporter::scrape::{EnsembleReport, MemberReport, Report, State};
use zookeeper_exporter::verdict::{Verdict, findings, judge};

use super::page::read_page;
use super::replies::{member, named_page, report};

/// Judges up to six members.
pub fn ensemble(data: &[u8]) {
    let Ok(members) = members(&mut Unstructured::new(data)) else { return };
    let all = report(members);
    let one = &all.ensembles[0];
    let verdict = judge(one);
    makes_sense(one, &verdict);
    let _ = findings(one, &verdict);
    reversed_is_judged_alike(one, &verdict);
    page_holds(&all);
}

fn members(input: &mut Unstructured<'_>) -> Result<Vec<MemberReport>> {
    let count = input.int_in_range(1..=6)?;
    let mut members = Vec::new();
    for number in 1..=count {
        let mode = *input.choose(&["leader", "follower", "observer", "standalone", "read-only", "tired", ""])?;
        if mode.is_empty() {
            members.push(MemberReport::silent(format!("zk-{number}:2181").into()));
            continue;
        }
        let (epoch, sequence) = (input.int_in_range(0..=3_u64)?, input.int_in_range(0..=4_u64)?);
        let sequence = if sequence == 4 { 0xffff_ffff } else { sequence };
        let version = *input.choose(&["3.4.14", "3.8.0", "3.9.3", "x"])?;
        let zxid = epoch << 32 | sequence;
        let srvr = format!("Zookeeper version: {version}-x\nZxid: 0x{zxid:x}\nMode: {mode}\nNode count: 5\n");
        let mut mntr = format!("zk_version\t{version}-x\nzk_server_state\t{mode}\nzk_znode_count\t5\n");
        for key in ["synced_followers", "synced_non_voting_followers", "quorum_size"] {
            if input.arbitrary()? {
                let value = *input.choose(&["0", "1", "2", "3", "5", "-1", "1e30", "18446744073709551615"])?;
                mntr.push_str(&format!("zk_{key}\t{value}\n"));
            }
        }
        let conf = if input.arbitrary()? { Some(conf(input, number)?) } else { None };
        let mntr = input.arbitrary::<bool>()?.then_some(mntr);
        members.push(member(
            &format!("zk-{number}:2181"),
            mntr.as_deref().map(str::as_bytes),
            Some(srvr.as_bytes()),
            conf.as_deref().map(str::as_bytes),
        ));
    }
    Ok(members)
}

fn conf(input: &mut Unstructured<'_>, number: u32) -> Result<String> {
    let version = input.int_in_range(0..=2_u32)?;
    let mut text = format!("clientPort=2181\nserverId={number}\ntickTime={}\nmembership: \n", input.choose(&[1, 2])?);
    for id in 1..=input.int_in_range(0..=7_u32)? {
        let role = *input.choose(&["participant", "participant", "observer"])?;
        let host = *input.choose(&["zk", "other"])?;
        text.push_str(&format!("server.{id}={host}-{id}:2888:3888:{role};0.0.0.0:2181\n"));
    }
    if input.ratio(1, 8)? {
        text.push_str("group.1=1:2\n");
    }
    text.push_str(&format!("version={version:x}"));
    Ok(text)
}

fn makes_sense(report: &EnsembleReport, verdict: &Verdict) {
    let count = report.members.len();
    let Verdict { quorum, leaders, leader, stale_leaders, strangers, votes, lags, epoch_used, .. } = verdict;
    assert!(verdict.members_up <= count);
    assert_eq!((votes.len(), lags.len()), (count, count));
    assert!(quorum.serving <= count as u64);
    assert!(leaders.iter().chain(stale_leaders).chain(strangers).all(|place| *place < count));
    assert!(!leaders.iter().any(|place| stale_leaders.contains(place)), "leads, and leads not");
    let is_counted = |place: &usize| {
        !strangers.contains(place) && !verdict.duplicates.iter().any(|(duplicate, _)| duplicate == place)
    };
    let claims = (0..count).filter(|place| report.members[*place].state == State::Leader && is_counted(place)).count();
    let hidden = verdict.leader.is_some_and(|place| report.members[place].state != State::Leader);
    assert_eq!(leaders.len() + stale_leaders.len(), claims + usize::from(hidden));
    assert!(leader.is_none_or(|place| leaders.contains(&place) && is_counted(&place)));
    assert!(leader.is_none_or(|place| lags[place].is_none_or(|lag| lag == 0)), "the leader is behind itself");
    assert!(epoch_used.is_none_or(|used| (0.0..=1.0).contains(&used)));
    if let Some(synced) = quorum.synced {
        assert!(synced <= quorum.voters);
        let alone = report.members.iter().any(|member| member.state == State::Standalone);
        let has_quorum = quorum.has_quorum() == Some(true);
        assert!(!has_quorum || leader.is_some() || alone, "a quorum without a leader");
        assert!(!has_quorum || synced > 0);
    }
    match (quorum.majority(), quorum.margin()) {
        (Some(majority), Some(margin)) => {
            assert!(majority > quorum.voters / 2);
            assert_eq!(margin + i64::try_from(majority).unwrap(), i64::try_from(quorum.synced.unwrap()).unwrap());
        }
        (Some(_), None) => assert!(quorum.synced.is_none() || quorum.undecided),
        (None, _) => assert!(quorum.hierarchical),
    }
}

/// The order of the configured members must not matter, unless there are several equally good claims to be the leader.
fn reversed_is_judged_alike(report: &EnsembleReport, verdict: &Verdict) {
    let claims: Vec<_> = report.members.iter().filter(|member| member.state == State::Leader).collect();
    if claims.len() > 1 || report.members.iter().any(|member| member.conf.is_some()) {
        return;
    }
    let mut reversed = report.clone();
    reversed.members.reverse();
    let again = judge(&reversed);
    assert_eq!(again.quorum, verdict.quorum, "the order of the members decides");
    assert_eq!(again.leader, verdict.leader.map(|place| report.members.len() - 1 - place));
    let mut lags = again.lags;
    lags.reverse();
    assert_eq!(lags, verdict.lags);
}

/// The page of all members contains the same figures as the pages of single members.
fn page_holds(all: &Arc<Report>) {
    let text = named_page(all, Names::Catalogue, Format::OpenMetrics);
    if let Err(error) = read_page(&text, Format::OpenMetrics) {
        panic!("{error}");
    }
    let own: Vec<String> = zookeeper_exporter::catalogue::catalogue()
        .families()
        .filter(|(id, _)| is_own(*id))
        .map(|(_, family)| family.full_name())
        .collect();
    let of_member = |text: &str, name: &str| -> Vec<String> {
        let label = format!("member=\"{name}\"");
        let is_figure = |line: &&str| line.contains(&label) && !own.iter().any(|name| line.starts_with(name.as_str()));
        text.lines().filter(is_figure).map(str::to_owned).collect()
    };
    for one in &all.ensembles[0].members {
        let alone = named_page(&report(vec![one.clone()]), Names::Catalogue, Format::OpenMetrics);
        assert_eq!(of_member(&text, &one.name), of_member(&alone, &one.name), "figures of {} changed", one.name);
    }
}
