#!/usr/bin/env python3
"""Compares the quantiles of native histograms in a real Prometheus with those of the individual durations.

usage: histograms.py EXPORTER-BINARY PROMETHEUS-BINARY

The canary checks a real ensemble every second, and the exporter logs every duration. Prometheus, which scrapes
protobuf with native histograms, must compute the same quantiles within the width of a bucket. The exit status is 1 if
a quantile differs, or if a Prometheus without native histograms does not store the classic buckets.
"""

import json
import math
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tests/formats"), os.path.join(ROOT, "tests/dashboards")]

from run import get, instant, wait  # noqa: E402
from stage import free_port, tied  # noqa: E402

ROUNDS = int(os.environ.get("HISTOGRAM_ROUNDS", "40"))
FAMILY = "zk_canary_operation_duration_seconds"
OPERATIONS = ("create", "read", "update", "watch", "delete")
# Width of a bucket of schema 3, with a tolerance for rounding.
WIDTH = 2 ** (1 / 8) * (1 + 1e-9)
ROUND = re.compile(rb"canary round ended.*durations=\[(.*)\]")
DURATION = re.compile(rb"\((\w+), ([0-9.]+)(ns|\xc2\xb5s|ms|s)\)")
SECONDS = {b"ns": 1e-9, b"\xc2\xb5s": 1e-6, b"ms": 1e-3, b"s": 1.0}


def observed(log):
    """Waits until each operation has succeeded often enough; returns the durations of each, in order."""
    end = time.monotonic() + 300
    while time.monotonic() < end:
        seen = {operation: [] for operation in OPERATIONS}
        with open(log, "rb") as file:
            for line in ROUND.findall(file.read()):
                for name, number, unit in DURATION.findall(line):
                    seen.get(name.decode().lower(), []).append(float(number) * SECONDS[unit])
        if min(len(durations) for durations in seen.values()) >= ROUNDS:
            return seen
        time.sleep(1)
    raise SystemExit(f"histograms: fewer than {ROUNDS} rounds succeeded")


def exact(ranked, quantile):
    """The durations between which the quantile lies: two neighbours if it divides the durations exactly, else one."""
    position = quantile * len(ranked)
    # Prometheus counts from the end for quantiles above a half, so rounding decides which neighbour it takes.
    return ranked[max(0, math.ceil(position - 1e-6) - 1)], ranked[min(len(ranked) - 1, math.floor(position + 1e-6))]


def compare(prometheus, seen):
    problems = []
    for operation, durations in seen.items():
        of = f'{FAMILY}{{job="native",operation="{operation}"}}'
        # One evaluation time for all queries: cycles continue meanwhile.
        now = time.time()
        found = instant(prometheus, f"histogram_count({of} @ {now})")
        count = int(float(found[0]["value"][1])) if found else 0
        if count < len(durations) // 2:
            problems.append(f"{operation}: only {count} of {len(durations)} rounds are in the native histogram")
            continue
        ranked = sorted(durations[:count])
        for quantile in (0.1, 0.5, 0.9, 0.99):
            lower, upper = exact(ranked, quantile)
            native = float(instant(prometheus, f"histogram_quantile({quantile}, {of} @ {now})")[0]["value"][1])
            print(f"{operation:7} {quantile:4}: {count} rounds, exact {lower * 1e3:.3f} to {upper * 1e3:.3f} ms, native {native * 1e3:.3f} ms")
            if not lower / WIDTH <= native <= upper * WIDTH:
                problems.append(f"{operation}: quantile {quantile} is {native}, not {lower} to {upper}")
    return problems


def classic(prometheus, seen):
    """The series stored by a Prometheus without native histograms."""
    problems = []
    for operation in seen:
        of = f'{{job="classic",operation="{operation}"'
        buckets = instant(prometheus, f"count({FAMILY}_bucket{of}}})")
        if not buckets or buckets[0]["value"][1] != "12":
            problems.append(f"{operation}: {buckets} classic buckets, not 12")
    if instant(prometheus, f'{FAMILY}{{job="classic"}}'):
        problems.append("a native histogram without the flag")
    return problems


def main():
    exporter, prometheus = sys.argv[1:]
    folder = tempfile.mkdtemp(prefix="zookeeper-histograms-")
    ensemble = [os.path.join(ROOT, "scripts/ensemble"), "--dir", os.path.join(folder, "ensemble")]
    children = []

    def start(name, command):
        with open(os.path.join(folder, f"{name}.log"), "wb") as log:
            children.append(subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=tied))

    try:
        subprocess.run([*ensemble, "start", "--members", "3", "--with-pid", str(os.getpid())], check=True, stdout=subprocess.DEVNULL)
        members = subprocess.run([*ensemble, "members"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        config = os.path.join(folder, "exporter.yml")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"modules": {"default": {"canary": {"interval": "1s"}}},
                       "ensembles": [{"name": "prod", "members": members.split(",")}]}, file)
        web = free_port("127.0.0.1")
        start("exporter", [exporter, "--log.level", "debug", "--config.file", config, "--web.listen-address", f"127.0.0.1:{web}"])
        page = f"http://127.0.0.1:{web}/metrics"
        urls = {}
        for name, flags in (("native", ["--enable-feature=native-histograms"]), ("classic", [])):
            port = free_port("127.0.0.1")
            path = os.path.join(folder, f"{name}.yml")
            with open(path, "w", encoding="utf-8") as file:
                json.dump({"scrape_configs": [{"job_name": name, "scrape_interval": "2s", "scrape_timeout": "2s",
                                               "static_configs": [{"targets": [f"127.0.0.1:{web}"]}]}]}, file)
            start(name, [prometheus, f"--config.file={path}", f"--storage.tsdb.path={folder}/{name}",
                         f"--web.listen-address=127.0.0.1:{port}", *flags])
            urls[name] = f"http://127.0.0.1:{port}"
        wait("a page", lambda: get(page))
        observed(os.path.join(folder, "exporter.log"))
        now = time.time()
        wait("a scrape", lambda: float(instant(urls["native"], "timestamp(up)")[0]["value"][1]) > now)
        seen = observed(os.path.join(folder, "exporter.log"))
        problems = compare(urls["native"], seen) + classic(urls["classic"], seen)
        for problem in problems:
            print(problem)
        print(f"{len(problems)} problems")
        return 1 if problems else 0
    except SystemExit as error:
        for name in ("exporter", "native", "classic"):
            path = os.path.join(folder, f"{name}.log")
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as log:
                    print(f"--- {name}\n{log.read()[-2000:]}")
        raise error
    finally:
        for child in children:
            child.kill()
            child.wait()
        subprocess.run([*ensemble, "stop"], check=False, stdout=subprocess.DEVNULL)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    socket.setdefaulttimeout(10)
    sys.exit(main())
