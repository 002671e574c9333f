#!/usr/bin/env python3
"""Backtest and suggestions on a month of three ensembles, and on 200 ensembles.

usage: long.py EXPORTER-BINARY OLD-BIN-DIR MODERN-BIN-DIR VICTORIA-METRICS-BINARY [PART...]

Parts: month (default), fleet, errors (default). HISTORY_DAYS shortens the month (30), FLEET_ENSEMBLES and FLEET_DAYS the
fleet (200 and 30). The output is the material of docs/validation/history.md.
"""

import base64
import datetime
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import yaml  # noqa: E402

import generator  # noqa: E402
from run import CONFIGURATION, by_evaluator, differences, instant  # noqa: E402
from servers import backtest, firings, free_port, prometheus, tied, victoria_metrics, write_blocks  # noqa: E402

# The alerts whose warning limits are judged: those whose indicator has a daily peak in the history.
JUDGED = ("ZooKeeperSlowWrites", "ZooKeeperSlowReads", "ZooKeeperOutstandingRequests")
# Windows of a day and more are thinned by the backtest.
THINNED = {"ZooKeeperBudgetBurn", "ZooKeeperUnusualIndicator"}
# The lookback of Prometheus, in seconds.
NEAR = 300
problems = []


def check(holds, what):
    print(("ok: " if holds else "FAILED: ") + what, flush=True)
    if not holds:
        problems.append(what)


def evaluated(groups):
    return by_evaluator(groups, generator.month(int(os.environ.get("HISTORY_DAYS", "30"))))


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def paired(found, wanted):
    """The number of equal firings, of those that begin and end nearly at the same time, and the others.

    VictoriaMetrics includes the sample before a window in a rate, and ends a series earlier than Prometheus. A firing that
    is shorter than this difference may be missing.
    """
    rest = sorted(wanted - found)
    near, others = 0, []
    for one in sorted(found - wanted):
        same = [two for two in rest if two[:3] == one[:3] and all(abs(seconds(one[at]) - seconds(two[at])) <= NEAR for at in (3, 4))]
        if same:
            rest.remove(same[0])
            near += 1
        else:
            others.append(one)
    others = [one for one in others + rest if seconds(one[4]) - seconds(one[3]) > NEAR]
    return len(found & wanted), near, others


def of_incident(found, ensemble, fault):
    """The alerts of an ensemble that fire during a fault, or within 15 minutes after it."""
    low, high = (generator.START + minute * 60 for minute in (fault.start, fault.end + 15))
    return {one[0] for one in found if dict(one[2]).get("ensemble") == ensemble and instant(low) <= one[3] <= instant(high)}


def suggest(exporter, url, configuration, folder, *flags):
    command = [exporter, "rules", "suggest", "--prometheus", url, "--config.file", configuration, *flags]
    return subprocess.run(command, capture_output=True, text=True, preexec_fn=tied)


def month(exporter, old, modern, vm, folder):
    days = int(os.environ.get("HISTORY_DAYS", "30"))
    fitted = days * 2 // 3
    configuration = os.path.join(folder, "ensembles.yml")
    with open(configuration, "w") as file:
        file.write(CONFIGURATION)
    rules = subprocess.run([exporter, "rules", "--config.file", configuration], capture_output=True, text=True, check=True).stdout
    groups = yaml.load(rules, getattr(yaml, "CSafeLoader", yaml.SafeLoader))["groups"]
    with ProcessPoolExecutor(1) as pool:
        reference = pool.submit(evaluated, groups) if os.environ.get("HISTORY_EVALUATOR", "1") == "1" else None
        history = generator.month(days)
        print(f"{len(history.series)} series, {history.samples()} samples, {days} days", flush=True)
        blocks = os.path.join(folder, "blocks")
        begun = time.monotonic()
        write_blocks(os.path.join(modern, "promtool"), history, blocks)
        print(f"blocks written in {time.monotonic() - begun:.0f} s", flush=True)
        servers = [
            prometheus("prometheus-2.42", os.path.join(old, "prometheus"), blocks, folder),
            prometheus("prometheus-3", os.path.join(modern, "prometheus"), blocks, folder),
            victoria_metrics(vm, history, folder),
        ]
        try:
            compare(exporter, servers, history, configuration, reference)
            judge(exporter, servers[1], history, configuration, folder, fitted)
        finally:
            for server in servers:
                server.stop()


def compare(exporter, servers, history, configuration, reference):
    flags = ["--config.file", configuration, "--since", f"{history.minutes * 60 + 600}s", "--until", str(history.end)]
    found = {}
    for server in servers:
        result, seconds = backtest(exporter, server, *flags)
        found[server.name] = firings(result)
        levels = {one[:2] for one in found[server.name]}
        print(f"{server.name}: {len(found[server.name])} firings of {len(levels)} alerts and levels in {seconds:.0f} s; the server: "
              f"{server.cpu():.0f} s of CPU time, {server.peak()} MiB", flush=True)
    first = found[servers[0].name]
    for server in servers[1:]:
        same, near, others = paired(found[server.name], first)
        print("\n".join(map(str, others[:20])))
        name = f"{server.name}: {same} firings of {servers[0].name} are the same, {near} differ by {NEAR // 60} minutes at most"
        check(not others, f"{name}, {len(others)} are missing or additional")
        if server.name.startswith("prometheus"):
            check(near * 100 <= same, f"{server.name}: at most one in a hundred differs")
    if reference:
        wanted = reference.result()
        lines = differences("the backtest", {one for one in first if one[0] not in THINNED},
                            {one for one in wanted if one[0] not in THINNED})
        print("\n".join(lines[:20]))
        check(not lines, f"the backtest equals the evaluator: {len(wanted)} firings, {len(lines)} differences")


def judge(exporter, server, history, configuration, folder, fitted):
    until = generator.START + fitted * 86400
    done = suggest(exporter, server.url, configuration, folder, "--since", f"{fitted}d", "--until", str(until))
    check(done.returncode == 0, f"suggest ends with {done.returncode}: {done.stderr[:300]}")
    print(done.stdout, flush=True)
    changed = os.path.join(folder, "changed.yml")
    with open(changed, "w") as file:
        file.write(CONFIGURATION + "".join(line for line in done.stdout.splitlines(True) if not line.startswith("#")))
    checked = subprocess.run([exporter, "config", "check", changed], capture_output=True, text=True)
    check(checked.returncode == 0, f"config check accepts the block: {checked.stdout.strip()}{checked.stderr.strip()}")
    flags = ["--config.file", configuration, "--against", changed, "--until", str(history.end)]
    result, _ = backtest(exporter, server, "--since", f"{history.minutes // 1440 - fitted}d", *flags)
    before, after = firings(result), firings(result, "against")

    def warnings(found, name):
        return [one for one in found if one[0] in JUDGED and one[1] == "warning" and dict(one[2])["ensemble"] == name]

    budget = 2 * (history.minutes / 1440 - fitted) / 30 + 1
    for name in ("calm", "busy"):
        counts = {alert: sum(one[0] == alert for one in warnings(after, name)) for alert in JUDGED}
        print(f"{name}: {len(warnings(before, name))} warnings with the default limits, {counts} with the suggested ones")
        check(max(counts.values()) <= budget, f"the warnings of {name} are within the budget of 2/30d")
    check(len(warnings(before, "busy")) > 10, "busy has false warnings with the default limits")
    sick = next(ensemble for ensemble in history.ensembles if ensemble.name == "sick")
    for fault in sick.faults:
        alerts = [sorted(of_incident(found, "sick", fault)) for found in (before, after)]
        check(alerts[1], f"incident {fault.kind}: {len(alerts[0])} alerts with the default limits, with the suggested ones {alerts[1]}")


def fleet(exporter, old, modern, vm, folder):
    count, days = int(os.environ.get("FLEET_ENSEMBLES", "200")), int(os.environ.get("FLEET_DAYS", "30"))
    blocks, samples = os.path.join(folder, "blocks"), 0
    # A part of the ensembles at a time, whose samples fit into memory; blocks may overlap.
    begun = time.monotonic()
    for low in range(0, count, 5):
        history = generator.fleet(count, days, range(low, min(low + 5, count)))
        samples += history.samples()
        write_blocks(os.path.join(modern, "promtool"), history, blocks)
    print(f"{count} ensembles, {days} days: {samples} samples, written in {time.monotonic() - begun:.0f} s", flush=True)
    end = generator.START + days * 86400
    for name, path in (("prometheus-3", modern), ("prometheus-2.42", old)):
        server = prometheus(name, os.path.join(path, "prometheus"), blocks, folder)
        try:
            for command in ("backtest", "suggest"):
                line = [exporter, "rules", command, "--prometheus", server.url, "--since", f"{days}d", "--until", str(end)]
                with open(os.path.join(folder, f"{command}.txt"), "w") as out:
                    begun = time.monotonic()
                    process = subprocess.Popen(line, stdout=out, stderr=subprocess.STDOUT, preexec_fn=tied)
                    _, status, usage = os.wait4(process.pid, 0)
                    seconds = time.monotonic() - begun
                print(f"{name}: {command}: {seconds:.0f} s, exit {os.waitstatus_to_exitcode(status)}, {usage.ru_maxrss // 1024} MiB; the "
                      f"server: {server.cpu():.0f} s of CPU time, {server.peak()} MiB", flush=True)
                check(os.waitstatus_to_exitcode(status) == 0, f"{command} of {count} ensembles is complete")
                check(usage.ru_maxrss // 1024 < 1024, f"{command} of {count} ensembles stays below 1 GiB")
        finally:
            server.stop()


class Unwilling(http.server.BaseHTTPRequestHandler):
    """A server with one fault, by the first part of the path."""

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.path.split("/")[1]
        if fault == "slow":
            time.sleep(5)
        wanted = "Basic " + base64.b64encode(b"user:right").decode()
        if fault == "password" and self.headers.get("Authorization") != wanted:
            return self.reply(401, b"Unauthorized\n")
        if fault == "old":
            return self.reply(400, b'{"status":"error","errorType":"bad_data","error":"parse error: unknown function with name \\"last_over_time\\""}')
        if fault == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b'{"status":"success","data":{"resultTy')
            self.close_connection = True
            return None
        if fault == "html":
            return self.reply(200, b"<html>Sign in</html>")
        return self.reply(200, b'{"status":"success","data":{"resultType":"matrix","result":[]}}')

    def reply(self, status, body):
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass

    def log_message(self, *_):
        pass


def errors(exporter, *_):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Unwilling)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    at = f"127.0.0.1:{server.server_port}"
    cases = {
        "unreachable": (f"http://127.0.0.1:{free_port()}", "refused"),
        "slow": (f"http://{at}/slow", "no answer within 1 s"),
        "wrong password": (f"http://user:wrong@{at}/password", "refuses these credentials"),
        "old server": (f"http://{at}/old", "too old"),
        "empty history": (f"http://{at}/empty", "no series of the exporter"),
        "cut answer": (f"http://{at}/cut", "cut"),
        "no query API": (f"http://{at}/html", "not that of a query API"),
    }
    with ThreadPoolExecutor() as pool:
        def ask(case):
            (name, (url, words)), command = case
            line = [exporter, "rules", command, "--prometheus", url, "--since", "2h", "--timeout", "1s"]
            return name, command, words, subprocess.run(line, capture_output=True, text=True, timeout=120)

        for name, command, words, done in pool.map(ask, [(case, command) for case in cases.items() for command in ("backtest", "suggest")]):
            line = done.stderr.strip()
            good = done.returncode == 1 and words in line and "\n" not in line and not done.stdout and "wrong@" not in line
            check(good, f"{name}, {command}: exit {done.returncode}: {line or done.stdout[:200]}")
    server.shutdown()


def main():
    exporter, old, modern, vm, *parts = sys.argv[1:]
    for part in parts or ["errors", "month"]:
        folder = tempfile.mkdtemp(prefix=f"zookeeper-history-{part}-")
        try:
            print(f"== {part}", flush=True)
            {"month": month, "fleet": fleet, "errors": errors}[part](exporter, old, modern, vm, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
