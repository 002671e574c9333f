#!/usr/bin/env python3
"""Runs every query of every dashboard in a real Prometheus, for a real ensemble under load and with two faults.

usage: run.py EXPORTER-BINARY [--pictures DIR] [--seconds N]

The exit status is 1 if a query fails, if a query is empty and not listed below, or if a listed query is not empty. With
--pictures a preview of each dashboard is drawn from the same results by preview.py, not by Grafana (needs chromium and
pngquant).
"""

import argparse
import glob
import json
import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import preview  # noqa: E402
import queries  # noqa: E402
import stage as stages  # noqa: E402

# Queries without a result in this test, and why: dashboard, title of the panel, refIds.
EMPTY = {
    ("zookeeper-exporter", "Dropped samples", "A"): "no sample was dropped",
    ("zookeeper-exporter", "Certificates expire in", "A"): "no member is queried over TLS here",
    ("zookeeper-early-warning", "Unusual compared with the last day", "A"): "needs six hours of history",
    ("zookeeper-capacity", "Znodes", "B"): "needs a day of history",
    ("zookeeper-capacity", "Data size", "B"): "needs a day of history",
    ("zookeeper-capacity", "Watches", "B"): "needs a day of history",
    ("zookeeper-capacity", "Connections", "B"): "needs a day of history",
    ("zookeeper-client", "Distribution of durations", "A"): "native histograms are off in this Prometheus",
    ("zookeeper-exporter", "Distribution of scrape durations", "A"): "native histograms are off in this Prometheus",
    ("zookeeper-exporter", "Distribution of connect durations", "A"): "native histograms are off in this Prometheus",
}

# Queries whose result may be empty or not, and why.
EITHER = {
    ("zookeeper-early-warning", "Pending alerts", "A"): "at the time of the query, all may already fire",
    ("zookeeper-client", "Failed rounds", "A"): "an election may end between two rounds of the canary",
}

# The active limits: required once the exporter exports them.
COMING = "zk_alert_threshold"

# Averages over hours use whole minutes: there is a value once writes were recorded before a full minute.
WHOLE_MINUTE = "count(avg_over_time((max by (ensemble) (rate(zk_updatelatency_seconds_count[5m]) > 0))[1h:1m]))"


def play(stage, seconds):
    """Load, a slow disk of one follower, then a leader failure. Returns the time span of interest."""
    stage.clients_that_leak()
    stage.await_('count(zk_up{ensemble="prod"} == 1) == 4', 30)
    start = time.time()
    time.sleep(max(8, seconds * 0.25))
    followers = stage.ensemble("mode", "follower").split()
    stage.slow_disk(followers[-1], 150)
    time.sleep(max(8, seconds * 0.3))
    stage.ensemble("kill", "leader")
    stage.ensemble("wait")
    stage.await_('ALERTS{alertname="ZooKeeperMemberDown",alertstate="firing"}', 60)
    time.sleep(max(6, start + seconds - time.time()))
    # A late scrape on a busy machine leaves a gap: choose a moment without one.
    whole = f"count(zk_ensemble_members) == {1 + len(stages.REPLAYED)} and count(zk_exporter_build_info) == 1"
    stage.await_(f"({whole}) and on () (count(node_load1) >= 4)", 30)
    stage.await_(WHOLE_MINUTE, 120)
    return start, time.time()


def check(name, answers, coming):
    """The problems of the results, as lines, and the number of queries. `coming` is the metric not yet required."""
    problems, asked = [], 0
    for panel_answers in answers.values():
        for answer in panel_answers:
            asked += 1
            title, ref = answer.panel["title"], answer.target["refId"]
            where = f"{name}: {title!r} {ref}"
            listed = (name, title, ref) in EMPTY
            if answer.error:
                problems.append(f"{where}: {answer.error}")
            elif coming and coming in answer.target["expr"]:
                continue
            elif (name, title, ref) in EITHER:
                continue
            elif not queries.has_number(answer.result) and not listed:
                problems.append(f"{where}: nothing\n    {answer.target['expr']}")
            elif queries.has_number(answer.result) and listed:
                problems.append(f"{where}: is listed as empty, but is not")
    return problems, asked


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("exporter")
    parser.add_argument("--pictures", metavar="DIR")
    parser.add_argument("--seconds", type=float, default=30)
    arguments = parser.parse_args()

    dashboards = {}
    for path in sorted(glob.glob(os.path.join(stages.ROOT, "dashboards/*.json"))):
        with open(path, encoding="utf-8") as file:
            dashboards[os.path.basename(path)[:-len(".json")]] = json.load(file)

    stage = stages.Stage(os.path.abspath(arguments.exporter))
    problems, asked = [], 0
    try:
        start, end = play(stage, arguments.seconds)
        coming = None if stage.ask("query", query=f"count({COMING})")["result"] else COMING
        step = max(1, round((end - start) / 120))
        for name, dashboard in dashboards.items():
            answers = queries.ask_dashboard(stage, dashboard, queries.everything(), start, end, step)
            found, number = check(name, answers, coming)
            problems += found
            asked += number
            for variable, values in queries.ask_variables(stage, dashboard).items():
                asked += 1
                # The targets have no label cluster, as in most installations.
                if not values and variable != "cluster":
                    problems.append(f"{name}: variable {variable} has no values")
            marks = queries.ask_annotations(stage, dashboard, queries.everything(), start, end, step)
            for mark, (_, result) in marks.items():
                asked += 1
                if not result:
                    problems.append(f"{name}: no mark of {mark}, though there was one to make")
            problems += [f"{name}: {text}" for text in preview.faults(dashboard, answers)]
            if arguments.pictures:
                variables = preview.VARIABLES.get(name)
                if variables:
                    chosen = {**queries.everything(), **variables(stage)}
                    answers = queries.ask_dashboard(stage, dashboard, chosen, start, end, step)
                    marks = queries.ask_annotations(stage, dashboard, chosen, start, end, step)
                preview.draw(dashboard, answers, marks, (start, end), os.path.join(arguments.pictures, f"{name}.png"))
    finally:
        stage.close()
    for problem in problems:
        print(problem)
    print(f"{asked} queries of {len(dashboards)} dashboards asked, {len(problems)} problems")
    sys.exit(1 if problems or not asked else 0)


if __name__ == "__main__":
    main()
