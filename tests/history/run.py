#!/usr/bin/env python3
"""Compares `rules backtest` firing by firing with an evaluator of its own and with promtool.

usage: run.py EXPORTER-BINARY OLD-BIN-DIR MODERN-BIN-DIR

A generated history of five hours of three ensembles is loaded into the oldest supported Prometheus and a current one. The
backtest of both must equal (a) an evaluation of the generated rule file by `evaluator.py`, which shares no code with the
exporter, and (b) `promtool test rules` over the same samples.
"""

import datetime
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import yaml  # noqa: E402

import generator  # noqa: E402
from evaluator import evaluate  # noqa: E402
from promql import Series, Store  # noqa: E402
from servers import backtest, firings, prometheus, write_blocks  # noqa: E402

CONFIGURATION = """\
ensembles:
  - {name: calm, members: [calm-1:2181, calm-2:2181, calm-3:2181]}
  - {name: busy, members: [busy-1:2181, busy-2:2181, busy-3:2181]}
  - {name: sick, members: [sick-1:2181, sick-2:2181, sick-3:2181]}
"""
# Alerts that the history must fire; a history without incidents compares nothing.
EXPECTED = {
    ("ZooKeeperSlowFsync", "critical"), ("ZooKeeperSlowFsync", "warning"), ("ZooKeeperSlowWrites", "warning"),
    ("ZooKeeperMemberDown", "critical"), ("ZooKeeperQuorumLost", "critical"), ("ZooKeeperOutstandingRequests", "critical"),
    ("ZooKeeperFileDescriptors", "warning"), ("ZooKeeperExporterDown", "warning"), ("ZooKeeperEnsembleUnwatched", "critical"),
    ("ZooKeeperExporterBlind", "warning"), ("ZooKeeperSlowReads", "warning"), ("ZooKeeperBudgetBurn", "warning"),
    ("ZooKeeperMemberRisk", "warning"), ("ZooKeeperQuorumMarginZero", "warning"),
}


# How long before the first sample the compared range begins: what is absent there must fire, too.
EARLIER = 600
# Samples of the history lie at multiples of this; promtool takes one value per interval.
TICK = 10


def instant(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def own_labels(labels, rule_labels):
    """The labels of an alert without those that its rule adds."""
    return tuple(pair for pair in labels if pair[0] not in ("alertname", "alertstate", *rule_labels))


def store_of(history):
    store = Store()
    for name, labels, times, values in history.series:
        store.names.setdefault(name, {})[tuple(sorted(labels.items()))] = Series(times, values)
    return store


def clipped(firings, history):
    """The firings within the compared range: the backtest begins earlier, and replays from the first evaluation with data."""
    first = history.start + 60
    return {
        (alert, severity, labels, instant(max(start, first)), instant(end), goes_on)
        for alert, severity, labels, start, end, goes_on in firings
        if end > first
    }


def by_evaluator(groups, history, progress=lambda _: None):
    begin = history.start - 3 * EARLIER
    return clipped(evaluate(groups, store_of(history), begin, history.end, 60, progress), history)


def by_promtool(promtool, rules, groups, history, folder):
    """The firings that promtool sees: each moment is tested against an empty list, and it prints what it got instead."""
    file = os.path.join(folder, "promtool-test.yml")
    begin = history.start - 3 * EARLIER
    with open(file, "w") as out:
        order = ", ".join(group["name"] for group in groups)
        out.write(f"rule_files: [{rules}]\nevaluation_interval: 1m\ngroup_eval_order: [{order}]\n")
        out.write(f"tests:\n  - interval: {TICK}s\n    input_series:\n")
        for name, labels, times, values in history.series:
            inner = ",".join(f'{label}="{value}"' for label, value in labels.items())
            series = f"{name}{{{inner}}}"
            written, at = [], begin
            for moment, value in zip(times, values):
                if moment > at:
                    written.append(f"_x{int(moment - at) // TICK}")
                written.append(repr(value))
                at = moment + TICK
            out.write(f"      - series: '{series}'\n        values: '{' '.join(written)}'\n")
        out.write("    promql_expr_test:\n")
        moments = range(0, history.end - begin + 1, 60)
        for moment in moments:
            out.write(f"      - {{expr: 'ALERTS{{alertstate=\"firing\"}}', eval_time: {moment}s, exp_samples: []}}\n")
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True)
    text = done.stdout + done.stderr
    parts = re.findall(r"time: ([0-9hms]+),\s+exp: ?.*?\s+got: ?(.*?)(?=\n\s*expr:|\Z)", text, re.S)
    if len(parts) != len(moments):
        raise SystemExit(f"history: promtool reports {len(parts)} of {len(moments)} moments: {text[:1000]}")
    fired = {}
    for when, got in parts:
        units = {"h": 3600, "m": 60, "s": 1}
        moment = begin + sum(int(number) * units[unit] for number, unit in re.findall(r"([0-9]+)([hms])", when))
        for body in re.findall(r'\{__name__="ALERTS", (.*?)\} [0-9.eE+]+', got):
            labels = dict(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', body))
            key = (labels.pop("alertname"), labels.pop("severity"))
            labels.pop("alertstate")
            fired.setdefault((*key, tuple(sorted(labels.items()))), []).append(moment)
    found = []
    for (alert, severity, labels), times in fired.items():
        if alert == "ZooKeeperWatchdog":
            continue
        start = before = times[0]
        for moment in times[1:] + [None]:
            if moment != before + 60:
                goes_on = before == history.end
                found.append((alert, severity, labels, start, before + 60, goes_on))
                start = moment
            before = moment
    return clipped(found, history)


def differences(what, found, wanted):
    lines = [f"{what} lacks {one}" for one in sorted(wanted - found)]
    lines += [f"{what} alone has {one}" for one in sorted(found - wanted)]
    return lines


def main():
    exporter, old, modern = sys.argv[1:]
    folder = tempfile.mkdtemp(prefix="zookeeper-history-")
    servers = []
    begun = time.monotonic()

    def passed(what):
        print(f"{time.monotonic() - begun:5.1f} s  {what}", flush=True)

    try:
        configuration, rules = (os.path.join(folder, name) for name in ("ensembles.yml", "rules.yml"))
        with open(configuration, "w") as file:
            file.write(CONFIGURATION)
        with open(rules, "w") as file:
            subprocess.run([exporter, "rules", "--config.file", configuration], stdout=file, stderr=subprocess.DEVNULL, check=True)
        history = generator.short()
        blocks = os.path.join(folder, "blocks")
        write_blocks(os.path.join(modern, "promtool"), history, blocks)
        passed(f"{history.samples()} samples loaded")
        with open(rules) as file:
            groups = yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))["groups"]
        servers += [prometheus(name, os.path.join(path, "prometheus"), blocks, folder) for name, path in (("old", old), ("modern", modern))]
        flags = ["--config.file", configuration, "--since", f"{history.minutes * 60 + EARLIER}s", "--until", str(history.end)]
        with ThreadPoolExecutor() as pool:
            told = pool.submit(by_promtool, os.path.join(modern, "promtool"), rules, groups, history, folder)
            found = {}
            for server in servers:
                result, seconds = backtest(exporter, server, *flags)
                found[f"the backtest of the {server.name} server"] = firings(result)
                passed(f"{server.name} server: {len(firings(result))} firings in {seconds:.1f} s, {server.cpu():.1f} s of CPU time")
            wanted = by_evaluator(groups, history)
            passed(f"evaluator: {len(wanted)} firings")
            found["promtool"] = told.result()
            passed(f"promtool: {len(found['promtool'])} firings")
        problems = [line for what, those in found.items() for line in differences(what, those, wanted)]
        problems += [f"{alert} ({severity}) never fired" for alert, severity in EXPECTED - {one[:2] for one in wanted}]
    finally:
        for server in servers:
            server.stop()
        if os.environ.get("KEEP"):
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    for line in problems:
        print(line)
    print(f"{len(wanted)} firings of {len({one[:2] for one in wanted})} alerts and levels, {len(problems)} differences")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
