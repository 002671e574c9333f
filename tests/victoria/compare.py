#!/usr/bin/env python3
"""The shipped rules on VictoriaMetrics and vmalert, beside a Prometheus with the same rules, during faults of a real ensemble.

usage: compare.py EXPORTER-BINARY MODERN-DIRECTORY VICTORIA-DIRECTORY

VictoriaMetrics and Prometheus scrape one exporter independently. A member is killed, then a second one, which ends the
quorum, then both are started again. In each state the same alerts must fire in vmalert and in Prometheus. The exit status
is 1 if they differ, if a target is down, or if vmalert cannot evaluate a rule.
"""

import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from servers import ROOT, Servers, firing, free_port, get, local, unhealthy, value, wait  # noqa: E402

# Divisor for the durations of the rules, and the minimum range, in which a rate has several samples. A larger divisor would
# make some ranges longer than the `for` of their alerts, which then fire for a moment.
FACTOR, SHORTEST_RANGE = 12, 5
# Seconds before the first fault: the 20 minutes within which alerts count changes. VictoriaMetrics counts the begin of a series as
# a change.
WARM_UP = 20 * 60 / FACTOR
# Seconds within which both report the same alerts after a fault, and for which they do so.
WITHIN, STABLE = 150, 10
# State, what causes it, and the alerts that must be among those that fire; None if no alert but the watchdog may fire.
STORY = [
    ("healthy", (), None),
    ("one member down", (("kill", "follower"),), {"ZooKeeperMemberDown", "ZooKeeperQuorumMarginZero"}),
    ("quorum lost", (("kill", "leader"),), {"ZooKeeperMemberDown", "ZooKeeperQuorumLost"}),
    ("repaired", (("restart", "down"), ("restart", "down", "--wait")), None),
]
ALWAYS = {"ZooKeeperWatchdog"}


def names(alerts):
    return {dict(alert)["alertname"] for alert in alerts}


class Comparison:
    """The alerts that fire in both, and since when."""

    def __init__(self, prometheus, vmalert):
        self.servers = {"Prometheus": prometheus, "vmalert": vmalert}
        self.ever = {name: set() for name in self.servers}

    def settled(self, wanted):
        """Waits until both report the same alerts, with `wanted` among them, for some time; returns the alerts or None."""
        end, since, last = time.monotonic() + WITHIN, None, None
        while time.monotonic() < end:
            now = {name: firing(server) for name, server in self.servers.items()}
            for name, alerts in now.items():
                self.ever[name] |= alerts
            one, other = now.values()
            right = names(one) == ALWAYS if wanted is None else wanted <= names(one)
            if one != other or not right or one != last:
                since, last = time.monotonic(), one
            elif time.monotonic() - since > STABLE:
                return one
            time.sleep(0.3)
        for name, alerts in now.items():
            print(f"  {name}: {sorted(names(alerts))}")
        return None


def play(ensemble, comparison):
    problems = []
    for state, actions, wanted in STORY:
        begun = time.monotonic()
        for action in actions:
            subprocess.run([*ensemble, *action], check=True, stdout=subprocess.DEVNULL)
        found = comparison.settled(wanted)
        if found is None:
            problems.append(f"{state}: not the same alerts, with {sorted(wanted or ALWAYS)}, within {WITHIN} s")
            return problems
        print(f"{state}: {time.monotonic() - begun:.0f} s, both: {', '.join(sorted(names(found)))}")
    one, other = comparison.ever.values()
    # Between two states, an alert that fires for a moment may be missed by one of the two, which scrape at other times.
    for name, alerts in (("Prometheus", one - other), ("vmalert", other - one)):
        for alert in sorted(alerts):
            print(f"for a moment only in {name}: {dict(alert)}")
    return problems


def main():
    exporter, modern, tools = sys.argv[1:]
    servers = Servers("victoria", tools)
    ensemble = [os.path.join(ROOT, "scripts/ensemble"), "--dir", servers.path("ensemble")]
    try:
        subprocess.run([*ensemble, "start", "--members", "3", "--with-pid", str(os.getpid())], check=True, stdout=subprocess.DEVNULL)
        members = subprocess.run([*ensemble, "members"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        web = free_port("127.0.0.1")
        servers.start("exporter", exporter, "--zookeeper", f"prod={members}", "--web.listen-address", local(web))
        wait("a page", lambda: get(f"http://{local(web)}/metrics"))
        rules = servers.quick_rules(FACTOR, SHORTEST_RANGE)
        jobs = [{"job_name": "zookeeper", "static_configs": [{"targets": [local(web)]}]}]
        every = {"scrape_interval": "1s", "scrape_timeout": "1s"}
        reference = servers.prometheus("prometheus", os.path.join(modern, "prometheus"), {
            "global": {**every, "evaluation_interval": "1s"}, "rule_files": [rules], "scrape_configs": jobs})
        scrape = servers.write("promscrape.yml", {"global": every, "scrape_configs": jobs})
        # A sample can be queried some seconds after its scrape; the default delay is 30 s.
        victoria = servers.victoria("victoria-metrics", f"-promscrape.config={scrape}", "-search.latencyOffset=5s")
        vmalert = servers.vmalert("vmalert", victoria, rules, "-notifier.blackhole", "-evaluationInterval=1s",
                                  "-rule.evalDelay=5s", "-remoteWrite.flushInterval=100ms")
        # A second pair has the rules as they are shipped, and every default.
        second = servers.victoria("victoria-metrics-shipped", f"-promscrape.config={scrape}")
        shipped = servers.vmalert("vmalert-shipped", second, os.path.join(ROOT, "alert-rules/*.yml"), "-notifier.blackhole",
                                  "-evaluationInterval=5s")
        wait("a target that is up", lambda: value(victoria, 'up{job="zookeeper"}') == 1)
        wait("every rule evaluated", lambda: not unhealthy(vmalert) and not unhealthy(shipped) and not unhealthy(reference))
        time.sleep(WARM_UP)
        problems = play(ensemble, Comparison(reference, vmalert))
        for name, server in (("vmalert", vmalert), ("vmalert with the shipped rules", shipped), ("Prometheus", reference)):
            problems += [f"{name}: {text}" for text in unhealthy(server)]
        missed = value(victoria, 'count_over_time(up{job="zookeeper"}[10m]) - sum_over_time(up{job="zookeeper"}[10m])')
        problems += [f"{missed:.0f} scrapes of VictoriaMetrics failed"] if missed else []
        problems += [f"{name} ended: {servers.log(name)}" for name in servers.ended()]
        for problem in problems:
            print(problem)
        print(f"{len(problems)} problems")
        return 1 if problems else 0
    except SystemExit as error:
        for name in servers.processes:
            print(f"--- {name}\n{servers.log(name)}")
        raise error
    finally:
        servers.close()
        subprocess.run([*ensemble, "stop"], check=False, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
