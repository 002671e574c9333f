#!/usr/bin/env python3
"""A fleet on two exporters and two scraping shards with remote write to VictoriaMetrics: a shard and an exporter are killed.

usage: scale.py EXPORTER-BINARY MODERN-DIRECTORY VICTORIA-DIRECTORY [--ensembles N] [--factor N]
                [--shards prometheus|vmagent]

The shards are two Prometheus agents with hashmod, and in a second run two vmagents in cluster mode. They find the ensembles
through /sd of the exporters, vmalert evaluates the shipped rules, and one Alertmanager notifies a webhook. A shard and an
exporter are killed and taken over as described in docs/scale.md. The exit status is 1 if an ensemble is not scraped for longer
than stated there, if an alert is notified twice, or if an alert fires that nothing caused.
"""

import argparse
import http.server
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from servers import ROOT, Servers, free_port, get, local, post, tied, unhealthy, until, value, wait  # noqa: E402

# Scrape interval in seconds, before its division by --factor.
INTERVAL = 15
# Seconds from a failure to the beginning of the takeover: the time a supervisor needs to notice it.
REACTION = 10
# Seconds within which a process that takes over starts and has its targets: Prometheus applies discovered targets by two timers
# of 5 s.
START = 15
# Ensembles in which one member is down until after the failures.
BROKEN = 12
CAUSED = {"ZooKeeperMemberDown", "ZooKeeperQuorumMarginZero"}
# The whole test ends after this many seconds, whatever happens.
DEADLINE = 2700


class Webhook(http.server.BaseHTTPRequestHandler):
    """Receives the notifications of Alertmanager; each alert is a group of its own."""

    seen, log = [], []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        for alert in json.loads(body)["alerts"]:
            labels = alert["labels"]
            self.log.append(f"{time.strftime('%T')} {alert['status']} {labels}, since {alert['startsAt']}")
            self.seen.append((alert["status"], labels["alertname"], labels.get("ensemble"), labels.get("member")))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def cpu(process):
    """Seconds of CPU time and megabytes of memory at their maximum."""
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    with open(f"/proc/{process.pid}/status", encoding="ascii", errors="replace") as file:
        peak = int(re.search(r"VmHWM:\s+(\d+)", file.read())[1]) / 1000
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), peak


class Fleet:
    """Everything from the stand-in members to the webhook."""

    def __init__(self, servers, options, kind):
        self.servers, self.modern, self.kind, count = servers, options.modern, kind, options.ensembles
        self.factor, self.interval = options.factor, INTERVAL // options.factor
        # The last scrape can be an interval before the failure, the first one an interval after the takeover.
        self.limit = REACTION + 2 * self.interval + START
        self.names = [f"ensemble-{number:03}" for number in range(count)]
        self.farm = subprocess.Popen([sys.executable, "-IB", os.path.join(ROOT, "tests/victoria/farm.py"), str(count)],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=tied)
        self.members = [line.strip().split(",") for line in iter(self.farm.stdout.readline, "\n") if line]
        if len(self.members) != count:
            raise SystemExit("the stand-in members did not start; is `ulimit -n` too low?")
        # From the first scrape on: VictoriaMetrics counts the begin of a series as a change, and the alerts about members that come
        # and go count changes within 20 minutes.
        self.broken = [number * count // BROKEN for number in range(BROKEN)]
        for number in self.broken:
            self.member("down", number)
        self.exporters = [free_port("127.0.0.1") for _ in range(2)]
        # One configuration for both exporters.
        config = servers.write("ensembles.yml", {
            "modules": {"default": {"metrics": "essential"}},
            "ensembles": [{"name": name, "members": members} for name, members in zip(self.names, self.members)]})
        for number, port in enumerate(self.exporters):
            servers.start(f"exporter-{number}", options.exporter, "--config.file", config, "--web.listen-address", local(port))
            wait(f"exporter {number}", lambda port=port: get(f"http://{local(port)}/-/ready"))
        self.victoria = servers.victoria("victoria-metrics", "-search.latencyOffset=5s")
        wait("VictoriaMetrics", lambda: get(f"{self.victoria}/health"))
        self.serving = list(self.exporters)
        self.shards, self.successors = {}, 0
        for number in range(2):
            self.start_shard(number)
        self._alerts()

    def _alerts(self):
        hook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
        Webhook.seen.clear()
        Webhook.log.clear()
        threading.Thread(target=hook.serve_forever, daemon=True).start()
        with open(os.path.join(ROOT, "deploy/alertmanager/alertmanager.yml"), encoding="utf-8") as file:
            inhibit = file.read().split("\ninhibit_rules:")[1].split("\nreceivers:")[0]
        path = self.servers.path("alertmanager.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("route: {receiver: hook, group_by: ['...'], group_wait: 5s, group_interval: 5s, repeat_interval: 4h}\n"
                       f"inhibit_rules:{inhibit}\n"
                       f"receivers: [{{name: hook, webhook_configs: [{{url: 'http://{local(hook.server_port)}/', send_resolved: true}}]}}]\n")
        port = free_port("127.0.0.1")
        self.servers.start("alertmanager", os.path.join(self.modern, "prometheus-alertmanager"), f"--config.file={path}",
                           f"--web.listen-address={local(port)}", "--cluster.listen-address=", f"--storage.path={self.servers.path('alertmanager')}")
        wait("Alertmanager", lambda: get(f"http://{local(port)}/-/ready"))
        rules = self.servers.quick_rules(self.factor, 3 * self.interval)
        # Alertmanager resolves an alert that was not sent again within four times this delay, or else the evaluation interval: a
        # minute, which is less than an evaluation may be late after a failure. Prometheus uses this delay as well.
        resend = f"-rule.resendDelay={60 // self.factor}s"
        self.vmalert = self.servers.vmalert("vmalert", self.victoria, rules, f"-notifier.url=http://{local(port)}",
                                            f"-evaluationInterval={self.interval}s", "-rule.evalDelay=5s", "-remoteWrite.flushInterval=1s", resend)

    # --- shards ---------------------------------------------------------------------------------

    def job(self, shard):
        """The scrape job of a shard: deploy/prometheus/http-sd.yml, with its part of the ensembles."""
        ensemble = {"source_labels": ["__meta_zookeeper_ensemble"]}
        relabel = [{**ensemble, "target_label": "__param_ensemble"}, {**ensemble, "target_label": "instance"}]
        if self.kind == "prometheus":
            # Each shard has its own exporter.
            relabel += [{**ensemble, "action": "hashmod", "modulus": 2, "target_label": "__tmp_server"},
                        {"source_labels": ["__tmp_server"], "regex": str(shard), "action": "keep"},
                        {"target_label": "__address__", "replacement": local(self.serving[shard])}]
        else:
            # vmagent selects its own part.
            relabel += [{**ensemble, "action": "hashmod", "modulus": 2, "target_label": "__tmp_shard"}]
            relabel += [{"source_labels": ["__tmp_shard"], "regex": str(number), "target_label": "__address__",
                         "replacement": local(port)} for number, port in enumerate(self.serving)]
        sd = {"url": f"http://{local(self.serving[shard])}/sd"}
        if self.kind == "prometheus":
            sd["refresh_interval"] = "20s"
        return {"job_name": "zookeeper", "metrics_path": "/probe", "http_sd_configs": [sd], "relabel_configs": relabel}

    def config(self, shard):
        every = {"scrape_interval": f"{self.interval}s", "scrape_timeout": f"{min(10, self.interval)}s"}
        config = {"global": every, "scrape_configs": [self.job(shard)]}
        if self.kind == "prometheus":
            config["remote_write"] = [{"url": f"{self.victoria}/api/v1/write", "queue_config": {"batch_send_deadline": "1s"}}]
        return config

    def start_shard(self, shard):
        """Starts the shard of this number, on a port and with a directory of its own."""
        name = f"shard-{shard}-{self.successors}"
        self.successors += 1
        if self.kind == "prometheus":
            port = free_port("127.0.0.1")
            path = self.servers.write(f"{name}.yml", self.config(shard))
            self.servers.start(name, os.path.join(self.modern, "prometheus"), "--agent", f"--config.file={path}",
                               f"--storage.agent.path={self.servers.path(name)}-data", f"--web.listen-address={local(port)}",
                               "--web.enable-lifecycle", "--log.level=warn")
        else:
            port = free_port("127.0.0.1")
            path = self.servers.write(f"{name}.yml", self.config(shard))
            self.servers.start(name, os.path.join(self.servers.tools, "vmagent"), f"-promscrape.config={path}",
                               "-promscrape.cluster.membersCount=2", f"-promscrape.cluster.memberNum={shard}",
                               f"-remoteWrite.url={self.victoria}/api/v1/write", f"-remoteWrite.tmpDataPath={self.servers.path(name)}-data",
                               f"-httpListenAddr={local(port)}", "-loggerLevel=WARN", "-memory.allowedPercent=5",
                               "-promscrape.httpSDCheckInterval=20s")
        self.shards[shard] = (name, port)

    def take_over_shard(self, shard):
        self.servers.kill(self.shards[shard][0])
        time.sleep(REACTION)
        self.start_shard(shard)

    def take_over_exporter(self, number):
        """The other exporter gets this one's number: its address in the configuration of the shards, then a reload."""
        self.servers.kill(f"exporter-{number}")
        time.sleep(REACTION)
        self.serving[number] = self.exporters[1 - number]
        for shard, (name, port) in self.shards.items():
            self.servers.write(f"{name}.yml", self.config(shard))
            post(f"http://{local(port)}/-/reload")

    # --- observations ---------------------------------------------------------------------------

    def member(self, action, number):
        """Stops or starts the last follower of an ensemble."""
        self.farm.stdin.write(f"{action} {self.members[number][2]}\n")
        self.farm.stdin.flush()

    def scraped(self):
        return value(self.victoria, f'count(count_over_time((up{{job="zookeeper"}} == 1)[{2 * self.interval + 5}s:{self.interval}s]) >= 2)')

    def unwatched(self, begun, ended):
        """Each ensemble's longest time between two successful scrapes."""
        query = urllib.parse.urlencode({"match[]": 'up{job="zookeeper"}', "start": begun, "end": ended})
        times = {}
        for line in get(f"{self.victoria}/api/v1/export?{query}").splitlines():
            series = json.loads(line)
            good = [at / 1000 for number, at in zip(series["values"], series["timestamps"]) if number == 1]
            times.setdefault(series["metric"]["instance"], []).extend(good)
        gaps = {}
        for name in self.names:
            at = sorted(times.get(name, []))
            gaps[name] = max((later - earlier for earlier, later in zip([begun, *at], [*at, ended])), default=ended - begun)
        return gaps

    def close(self):
        self.farm.stdin.close()
        self.farm.kill()
        self.farm.wait()
        self.servers.close()


def settle(fleet, what):
    count = len(fleet.names)
    if not until(f"{what}: every ensemble scraped", lambda: fleet.scraped() == count, 120):
        return [f"{what}: {fleet.scraped():.0f} of {count} ensembles are scraped"]
    return []


def notified(status):
    return [alert for alert in Webhook.seen if alert[0] == status and alert[1] in CAUSED]


def failure(fleet, what, take_over, broken):
    """Runs a takeover, while alerts of the ensembles `broken` fire; returns the problems and a row of the table."""
    begun = time.time()
    print(f"{time.strftime('%T')} {what}")
    take_over()
    problems = settle(fleet, what)
    # A false alert, or the resolution of a right one, would arrive by then.
    time.sleep(90 / fleet.factor)
    gaps = fleet.unwatched(begun - 2 * fleet.interval, time.time() - 2 * fleet.interval)
    affected = {name: gap for name, gap in gaps.items() if gap > REACTION + fleet.interval / 2}
    worst = max(gaps.values())
    if worst > fleet.limit:
        problems.append(f"{what}: an ensemble was not scraped for {worst:.1f} s; docs/scale.md states {fleet.limit} s")
    if not affected.keys() & broken:
        problems.append(f"{what}: affected none of the ensembles whose alerts fire")
    return problems, (what, f"{len(affected)} of {len(gaps)}", f"{worst:.1f} s", f"{fleet.limit} s")


def play(fleet):
    problems = settle(fleet, "start")
    broken = {fleet.names[number] for number in fleet.broken}
    wanted = len(broken) * len(CAUSED)
    until("the alerts of the broken ensembles", lambda: len(notified("firing")) >= wanted, 540 / fleet.factor)
    rows, begun = [], time.time()
    usage = {name: cpu(process) for name, process in fleet.servers.processes.items()}
    time.sleep(30)
    for name, process in fleet.servers.processes.items():
        seconds, peak = cpu(process)
        print(f"{name}: {(seconds - usage[name][0]) / (time.time() - begun):.0%} of a core, {peak:.0f} MB at most")
    for what, take_over in (("a shard is killed", lambda: fleet.take_over_shard(1)),
                            ("an exporter is killed", lambda: fleet.take_over_exporter(1))):
        found, row = failure(fleet, what, take_over, broken)
        problems += found
        rows.append(row)
    print(f"{time.strftime('%T')} the members are started")
    for number in fleet.broken:
        fleet.member("up", number)
    until("the alerts are resolved", lambda: len(notified("resolved")) >= wanted, 720 / fleet.factor)
    time.sleep(4 * fleet.interval)
    for status in ("firing", "resolved"):
        counts = {alert: Webhook.seen.count(alert) for alert in Webhook.seen if alert[0] == status and alert[1] != "ZooKeeperWatchdog"}
        problems += [f"notified {count} times: {alert}" for alert, count in counts.items() if count > 1]
        problems += [f"nothing caused {alert}" for alert in counts if alert[1] not in CAUSED or alert[2] not in broken]
        if len(counts) < wanted:
            problems.append(f"{len(counts)} alerts were {status}, not {wanted}")
        print(f"{status}: {len(counts)} alerts at the webhook, {sum(counts.values())} notifications")
    problems += unhealthy(fleet.vmalert)
    series = value(fleet.victoria, 'sum(scrape_samples_scraped{job="zookeeper"})')
    print(f"{series:.0f} series")
    return problems, rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("exporter")
    parser.add_argument("modern")
    parser.add_argument("tools")
    parser.add_argument("--ensembles", type=int, default=300)
    parser.add_argument("--factor", type=int, default=1, choices=[1, 3, 5], help="divisor for all durations (default 1)")
    parser.add_argument("--shards", choices=["prometheus", "vmagent"], help="only with these (default: both, one after the other)")
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    signal.signal(signal.SIGALRM, lambda *_: sys.exit(f"scale: not finished within {DEADLINE} s"))
    signal.alarm(DEADLINE)
    problems, tables = [], []
    for kind in [options.shards] if options.shards else ["prometheus", "vmagent"]:
        print(f"--- two shards of {kind}")
        servers = Servers("scale", options.tools)
        fleet = None
        try:
            fleet = Fleet(servers, options, kind)
            found, rows = play(fleet)
            problems += [f"{kind}: {text}" for text in found]
            if found:
                print("\n".join(Webhook.log))
            problems += [f"{kind}: {name} ended: {servers.log(name)}" for name in servers.ended()]
            tables += [(kind, *row) for row in rows]
        except SystemExit:
            for name in servers.processes:
                print(f"--- {name}\n{servers.log(name)}")
            raise
        finally:
            (fleet or servers).close()
    print("| shards | failure | ensembles affected | longest time without a scrape | stated |\n|---|---|---|---|---|")
    for row in tables:
        print(f"| {' | '.join(row)} |")
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
