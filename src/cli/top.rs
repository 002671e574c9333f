//! `zookeeper-exporter top`: the clients of an ensemble by address, or by member, from two scrapes.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::UsageError;
use super::info::{lines, state_level, summary};
use super::one_shot::{OneShot, Output, run};
use super::repeat::{Look, Repeat};
use super::screen::Screen;
use super::table::Table;
use crate::config::Command;
use crate::ensemble::{ClientAddress, ClientTotals, Clients, MemberClients};
use crate::scrape::{EnsembleReport, MemberReport, Report, State};
use crate::settings::Settings;
use crate::text;
use crate::verdict::judge;
use crate::wire::Reason;

const EXAMPLES: &str = "\
Examples:
  zookeeper-exporter top --zookeeper zk-1,zk-2,zk-3
      the ten client addresses with the most connections, over all members
  zookeeper-exporter top prod --config.file ensembles.yml --watch --sort requests
      those that send the most, every 2 s until interrupted
  zookeeper-exporter top --by member --zookeeper zk-1,zk-2,zk-3
      the clients of each member, and which is nearest to its maxClientCnxns
  zookeeper-exporter top --output json --zookeeper zk-1
      one object a look, with clients and members

Members are queried with `cons`, and through the AdminServer (`admin:` in the module) where that is refused. Addresses are masked as in \
`clients: {mask: N}` of the module.

Columns: REQ/S are packets received a second, pings included, and SENT/S packets sent, watch events included; packets on connections \
that were closed between the two looks are not counted. LATENCY is the longest since a connection was opened. OTHER are all further \
clients together.

Exit status: 0 if of every ensemble the clients of at least one member are known, 1 if not, 2 for a mistake in the flags.";

/// Flags of `top`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Top {
    /// Only this ensemble.
    #[arg(value_name = "ENSEMBLE")]
    name: Option<String>,

    /// What a row is.
    #[arg(long, value_name = "WHAT", default_value = "client")]
    by: TopBy,

    /// The order of the clients.
    #[arg(long, value_name = "COLUMN", default_value = "connections")]
    sort: Sort,

    /// Number of clients to show, 1 to 10000.
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    rows: u16,

    #[command(flatten)]
    look: OneShot,

    #[command(flatten)]
    repeat: Repeat,
}

/// The first clients in the chosen order, and the number and totals of all others.
type RankedClients = (Vec<(ClientAddress, ClientTotals)>, Option<(usize, ClientTotals)>);

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum TopBy {
    Client,
    Member,
}

/// The order of the clients, the largest value first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Sort {
    Connections,
    Requests,
    Outstanding,
    Latency,
}

impl Top {
    pub(super) fn run(mut self) -> Result<ExitCode, UsageError> {
        self.look.only(self.name.take());
        let (scraper, _) = self.look.adjusted(Settings::read_clients_always)?;
        let screen = Screen::of_stdout();
        let show = |_: &Look, now: &Look| match self.look.output {
            Output::Json => self.json(&now.report),
            Output::Text => self.text(&now.report, screen),
        };
        run(self.repeat.run(&scraper, self.look.output, screen, exit_code, show))
    }

    /// One JSON object per line and interval, for scripts that read a stream.
    fn json(&self, report: &Report) -> String {
        let nothing = Clients::default();
        let ensembles = report.ensembles.iter().map(|ensemble| {
            let clients = ensemble.known.clients.as_deref().unwrap_or(&nothing);
            let (top, others) = self.rows(clients);
            EnsembleTop {
                ensemble: &ensemble.name,
                clients: top.iter().map(|(client, totals)| ClientTop::new(*client, totals, clients)).collect(),
                others: others.map(|(clients, totals)| OtherClients { clients, totals: Totals::from(&totals) }),
                members: ensemble.members.iter().map(|member| MemberTop::new(member, clients)).collect(),
            }
        });
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
        // No map has non-string keys: serialisation cannot fail.
        let text = serde_json::to_string(&LookTop { time, ensembles: ensembles.collect() }).unwrap_or_default();
        text::escape_json(&text).into_owned() + "\n"
    }

    fn text(&self, report: &Report, screen: Screen) -> String {
        let (mut out, nothing) = (String::new(), Clients::default());
        for (number, ensemble) in report.ensembles.iter().enumerate() {
            let clients = ensemble.known.clients.as_deref().unwrap_or(&nothing);
            if number > 0 {
                out.push('\n');
            }
            // Writing to a string cannot fail, here and below.
            let _ = writeln!(out, "{}", screen.style.strong(&screen.wrap(&summary(ensemble, &judge(ensemble)), 0)));
            for member in &ensemble.members {
                if let Some(why) = unknown(member, clients) {
                    let text = format!("clients of {} unknown: {}", member.name, text::printable(&why));
                    let _ = writeln!(out, "{}", screen.wrap(&text, 2));
                }
            }
            match self.by {
                TopBy::Client if clients.members.is_empty() => {}
                TopBy::Client => lines(&mut out, &self.by_client(clients), screen),
                TopBy::Member => lines(&mut out, &by_member(ensemble, clients), screen),
            }
        }
        out
    }

    fn by_client(&self, clients: &Clients) -> Table {
        let mut table = table(&["CLIENT"]).with_whole_names();
        let (top, others) = self.rows(clients);
        for (client, totals) in &top {
            let limit = NearestLimit::of(*client, clients);
            let limit = limit.map(|near| format!("{} of {} at {}", near.connections, near.limit, near.member));
            table.row(row([client.to_string()], totals, limit));
        }
        if let Some((number, totals)) = others {
            table.row(row([format!("other ({number})")], &totals, None));
        }
        table
    }

    fn rows(&self, clients: &Clients) -> RankedClients {
        let mut all: Vec<_> = clients.by_client().into_iter().collect();
        // The sort is stable: equal clients are in the order of their addresses.
        all.sort_by(|(_, one), (_, other)| match self.sort {
            Sort::Connections => other.connections.cmp(&one.connections),
            Sort::Requests => other.received_rate.unwrap_or(0.0).total_cmp(&one.received_rate.unwrap_or(0.0)),
            Sort::Outstanding => other.outstanding.cmp(&one.outstanding),
            Sort::Latency => other.max_latency_ms.cmp(&one.max_latency_ms),
        });
        let rest = all.split_off(all.len().min(usize::from(self.rows)));
        let mut others = ClientTotals::default();
        for (_, totals) in &rest {
            others.add(totals);
        }
        (all, (!rest.is_empty()).then_some((rest.len(), others)))
    }
}

fn by_member(ensemble: &EnsembleReport, clients: &Clients) -> Table {
    let mut table = table(&["MEMBER", "STATE", "CLIENTS"]);
    for member in &ensemble.members {
        let name = [member.name.to_string(), member.state.text().to_owned()];
        let cells = match of_member(member, clients) {
            None => name.into_iter().chain(std::iter::repeat_n(String::new(), 8)).collect(),
            Some(found) => {
                let most = MostConnections::of(found).map(|most| match found.limit {
                    Some(limit) => format!("{} of {limit} from {}", most.connections, most.client),
                    None => format!("{} from {}", most.connections, most.client),
                });
                let [name, state] = name;
                row([name, state, found.by_client.len().to_string()], &found.total(), most)
            }
        };
        table.levelled(cells, state_level(member.state));
    }
    table
}

/// A table with these columns, followed by those of totals and of the nearest limit.
fn table(names: &[&'static str]) -> Table {
    let totals = ["CONNECTIONS", "SESSIONS", "REQ/S", "SENT/S", "OUTSTANDING", "LATENCY", "NEAREST LIMIT"];
    Table::new(&[names, &totals].concat()).optional(&["SENT/S", "SESSIONS", "LATENCY", "OUTSTANDING"])
}

/// A row of such a table.
fn row<const N: usize>(names: [String; N], totals: &ClientTotals, limit: Option<String>) -> Vec<String> {
    let rate = |rate: Option<f64>| rate.map(|rate| format!("{rate:.1}")).unwrap_or_default();
    let totals = [
        totals.connections.to_string(),
        totals.sessions.to_string(),
        rate(totals.received_rate),
        rate(totals.sent_rate),
        totals.outstanding.to_string(),
        format!("{}ms", totals.max_latency_ms),
    ];
    names.into_iter().chain(totals).chain([limit.unwrap_or_default()]).collect()
}

fn of_member<'c>(member: &MemberReport, clients: &'c Clients) -> Option<&'c MemberClients> {
    clients.members.iter().find(|of| of.member == member.name)
}

/// Why the clients of a member are unknown; `None` if they are known.
fn unknown(member: &MemberReport, clients: &Clients) -> Option<String> {
    if of_member(member, clients).is_some() {
        return None;
    }
    let of_clients = |command: Command| matches!(command, Command::Cons | Command::AdminConnections);
    let failed = member.failures.iter().find(|(command, _)| of_clients(*command));
    Some(match failed {
        Some((command, Reason::NotAllowed)) => format!(
            "not_allowed: the server refuses `{command}`; add it to 4lw.commands.whitelist of its zoo.cfg and restart it"
        ),
        Some((_, reason)) => match member.failure_detail(*reason) {
            "" => reason.text().to_owned(),
            detail => format!("{reason}: {detail}"),
        },
        None if member.state == State::NotServing => "it serves no clients".to_owned(),
        None if member.is_unknown() => "it was not queried because of a limit of the exporter".to_owned(),
        None if !member.up => "it does not answer".to_owned(),
        None => "it is not of this ensemble".to_owned(),
    })
}

/// 0 if the clients of at least one member of every ensemble are known, else 1.
fn exit_code(report: &Report) -> ExitCode {
    let known = |ensemble: &EnsembleReport| ensemble.known.clients.is_some();
    if report.ensembles.iter().all(|ensemble| known(ensemble)) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One look in the JSON output.
#[derive(Serialize)]
struct LookTop<'r> {
    /// Unix time in seconds.
    time: f64,
    ensembles: Vec<EnsembleTop<'r>>,
}

/// An ensemble in the JSON output. Fields without a value are null.
#[derive(Serialize)]
struct EnsembleTop<'r> {
    ensemble: &'r str,
    clients: Vec<ClientTop<'r>>,
    others: Option<OtherClients>,
    members: Vec<MemberTop<'r>>,
}

/// Totals in the JSON output.
#[derive(Serialize)]
struct Totals {
    connections: u64,
    sessions: u64,
    requests_per_second: Option<f64>,
    packets_sent_per_second: Option<f64>,
    outstanding_requests: u64,
    max_latency_seconds: f64,
}

impl From<&ClientTotals> for Totals {
    fn from(totals: &ClientTotals) -> Self {
        Self {
            connections: totals.connections,
            sessions: totals.sessions,
            requests_per_second: totals.received_rate,
            packets_sent_per_second: totals.sent_rate,
            outstanding_requests: totals.outstanding,
            max_latency_seconds: Duration::from_millis(totals.max_latency_ms).as_secs_f64(),
        }
    }
}

#[derive(Serialize)]
struct ClientTop<'r> {
    client: String,
    #[serde(flatten)]
    totals: Totals,
    nearest_limit: Option<NearestLimit<'r>>,
}

impl<'r> ClientTop<'r> {
    fn new(client: ClientAddress, totals: &ClientTotals, clients: &'r Clients) -> Self {
        let nearest_limit = NearestLimit::of(client, clients);
        Self { client: client.to_string(), totals: totals.into(), nearest_limit }
    }
}

/// The member at which a client is nearest to the limit of connections.
#[derive(Serialize)]
struct NearestLimit<'r> {
    member: &'r str,
    connections: u64,
    limit: u64,
}

impl<'r> NearestLimit<'r> {
    fn of(client: ClientAddress, clients: &'r Clients) -> Option<Self> {
        let of_member = |member: &'r MemberClients| {
            let (connections, limit) = (*member.limited.get(&client)?, member.limit?);
            Some(Self { member: &member.member, connections, limit })
        };
        // Compares the fractions without a division.
        let product = |one: &Self, other: &Self| u128::from(one.connections) * u128::from(other.limit);
        let all = clients.members.iter().filter_map(of_member);
        all.max_by(|one, other| product(one, other).cmp(&product(other, one)))
    }
}

/// All clients that are not listed.
#[derive(Serialize)]
struct OtherClients {
    clients: usize,
    #[serde(flatten)]
    totals: Totals,
}

/// A member in the JSON output; its clients are null if they are unknown.
#[derive(Serialize)]
struct MemberTop<'r> {
    member: &'r str,
    state: &'static str,
    unknown: Option<String>,
    clients: Option<usize>,
    #[serde(flatten)]
    totals: Option<Totals>,
    connection_limit: Option<u64>,
    most_connections: Option<MostConnections>,
}

impl<'r> MemberTop<'r> {
    fn new(member: &'r MemberReport, clients: &Clients) -> Self {
        let found = of_member(member, clients);
        Self {
            member: &member.name,
            state: member.state.text(),
            unknown: unknown(member, clients),
            clients: found.map(|found| found.by_client.len()),
            totals: found.map(|found| Totals::from(&found.total())),
            connection_limit: found.and_then(|found| found.limit),
            most_connections: found.and_then(MostConnections::of),
        }
    }
}

/// The client with the most connections to one port of a member.
#[derive(Serialize)]
struct MostConnections {
    client: String,
    connections: u64,
}

impl MostConnections {
    fn of(member: &MemberClients) -> Option<Self> {
        let most = member.limited.iter().rev().max_by_key(|(_, connections)| **connections)?;
        Some(Self { client: most.0.to_string(), connections: *most.1 })
    }
}
