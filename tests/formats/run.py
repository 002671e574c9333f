#!/usr/bin/env python3
"""Scrapes one exporter with a real Prometheus in every format it offers, and compares what was stored.

usage: run.py EXPORTER-BINARY PROMETHEUS-BINARY

The members replay replies of real servers, so that two scrapes of a page differ only in values measured per scrape.
The exit status is 1 if a format has other series than the classic text, a different value for a constant metric, or a
wrong type or unit.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/dashboards"))

from stage import Replay, free_port, tied  # noqa: E402

FIXTURES = ["3.8.0/leader", "3.9.3/follower-prometheus-provider", "3.4.14/follower", "3.8.0/whitelist-refuses"]
# The media type expected for each scrape protocol of Prometheus.
PROTOCOLS = {
    "PrometheusText0.0.4": "text/plain; version=0.0.4",
    "PrometheusText1.0.0": "text/plain; version=1.0.0",
    "OpenMetricsText1.0.0": "application/openmetrics-text; version=1.0.0",
    "PrometheusProto": "application/vnd.google.protobuf",
}
WITH_UNITS = ("OpenMetricsText1.0.0", "PrometheusProto")
# Measured at each scrape, or counting scrapes.
CHANGES = ("zk_scrape_", "zk_connect_", "zk_ensemble_member_", "zk_exporter_", "process_", "scrape_")
DEADLINE = 60


def get(url):
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.read()


def instant(prometheus, query):
    url = f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    return json.loads(get(url))["data"]["result"]


def wait(what, ready):
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        try:
            if ready():
                return
        except (OSError, IndexError):
            pass
        time.sleep(0.5)
    raise SystemExit(f"formats: {what}: not within {DEADLINE} s")


def stored(prometheus, protocol):
    """The series scraped with a protocol, without the label job: labels to value, and types and units by name."""
    series, types, units = {}, {}, {}
    for sample in instant(prometheus, f'{{job="{protocol}"}}'):
        # Native histograms are compared in histograms.py.
        if "value" not in sample:
            continue
        labels = dict(sample["metric"])
        name = labels["__name__"]
        del labels["job"]
        types[name] = labels.pop("__type__", "")
        units[name] = labels.pop("__unit__", "")
        series[tuple(sorted(labels.items()))] = sample["value"][1]
    return series, types, units


def unit_of(name):
    family = name.removesuffix("_total").removesuffix("_sum").removesuffix("_count").removesuffix("_bucket")
    last = family.rsplit("_", 1)[-1]
    return last if last in ("seconds", "bytes", "ratio") else ""


def compare(prometheus):
    problems = []
    wanted, _, _ = stored(prometheus, "PrometheusText0.0.4")
    if len(wanted) < 1000:
        problems.append(f"only {len(wanted)} series were stored")
    for protocol in PROTOCOLS:
        found, types, units = stored(prometheus, protocol)
        problems += [f"{protocol} lacks {dict(one)}" for one in wanted.keys() - found.keys()]
        problems += [f"{protocol} alone has {dict(one)}" for one in found.keys() - wanted.keys()]
        for one in wanted.keys() & found.keys():
            name = dict(one)["__name__"]
            if found[one] != wanted[one] and not name.startswith(CHANGES):
                problems.append(f"{protocol}: {dict(one)} is {found[one]}, not {wanted[one]}")
        for name in units if protocol in WITH_UNITS else []:
            if not name.startswith("scrape_") and units[name] != unit_of(name):
                problems.append(f"{protocol}: the unit of {name} is `{units[name]}`, not `{unit_of(name)}`")
        for name, kind in types.items():
            if name.endswith("_total") and kind != "counter":
                problems.append(f"{protocol}: {name} is of type `{kind}`")
            if name.startswith("zk_fsynctime_seconds") and not name.endswith(("_min", "_max")) and kind != "summary":
                problems.append(f"{protocol}: {name} is of type `{kind}`")
        print(f"{protocol}: {len(found)} series")
    return problems


def main():
    exporter, prometheus = sys.argv[1:]
    folder = tempfile.mkdtemp(prefix="zookeeper-formats-")
    children = []

    def start(name, command):
        with open(os.path.join(folder, f"{name}.log"), "wb") as log:
            children.append(subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=tied))

    try:
        addresses = [f"127.78.1.{number + 1}" for number in range(len(FIXTURES))]
        replays = [Replay(*pair) for pair in zip(addresses, FIXTURES)]
        web, listen = free_port("127.0.0.1"), free_port("127.0.0.1")
        members = ",".join(f"{address}:2181" for address in addresses)
        start("exporter", [exporter, "--zookeeper", f"prod={members}", "--web.listen-address", f"127.0.0.1:{web}"])
        config = os.path.join(folder, "prometheus.yml")
        jobs = [{"job_name": protocol, "scrape_interval": "2s", "scrape_timeout": "2s", "scrape_protocols": [protocol],
                 # Otherwise Prometheus stores only the native buckets of protobuf, or none if native histograms are
                 # off.
                 "always_scrape_classic_histograms": True,
                 "static_configs": [{"targets": [f"127.0.0.1:{web}"]}]} for protocol in PROTOCOLS]
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"scrape_configs": jobs}, file)
        start("prometheus", [prometheus, f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
                             "--enable-feature=type-and-unit-labels,native-histograms", f"--web.listen-address=127.0.0.1:{listen}"])
        url = f"http://127.0.0.1:{listen}"
        wait("every format scraped twice", lambda: all(
            int(instant(url, f'count_over_time(up{{job="{protocol}"}}[5m])')[0]["value"][1]) >= 3
            and instant(url, f'up{{job="{protocol}"}}')[0]["value"][1] == "1" for protocol in PROTOCOLS))
        problems = compare(url)
        for protocol, media in PROTOCOLS.items():
            accept = media + ("; proto=io.prometheus.client.MetricFamily; encoding=delimited" if "proto" in media else "")
            request = urllib.request.Request(f"http://127.0.0.1:{web}/metrics", headers={"Accept": accept})
            with urllib.request.urlopen(request, timeout=10) as response:
                if not response.headers["Content-Type"].startswith(media):
                    problems.append(f"{accept} is answered with {response.headers['Content-Type']}")
        for problem in problems[:20]:
            print(problem)
        print(f"{len(problems)} problems")
        del replays
        return 1 if problems else 0
    except SystemExit as error:
        for name in ("exporter", "prometheus"):
            with open(os.path.join(folder, f"{name}.log"), encoding="utf-8", errors="replace") as log:
                print(f"--- {name}\n{log.read()[-2000:]}")
        raise error
    finally:
        for child in children:
            child.kill()
            child.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    socket.setdefaulttimeout(10)
    sys.exit(main())
