#!/usr/bin/env python3
"""Soak test: two Prometheus servers, a real ensemble with a fault every minute, misbehaving clients, reloads.

usage: run.py EXPORTER-BINARY [--seconds N] [--every N]

Every minute one fault (kill, pause, restart, reconfigure) starts and ends, and the configuration is reloaded,
sometimes with a broken file. A table of expected and actual values is printed at the end; the exit status is 1 on any
mismatch.
"""

import argparse
import ctypes
import http.client
import json
import logging
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import watch  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
INTERVAL, TIMEOUT = 5, 4
# Allowed growth after the first tenth: covers the allocator and two connections, far below a leak over an hour.
MORE_MB, MORE_DESCRIPTORS, MORE_THREADS = 3.0, 4, 1


def tied():
    """Runs in the child process: kills it when its parent dies."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Soak:
    def __init__(self, binary):
        self.folder = tempfile.mkdtemp(prefix="zookeeper-soak-")
        self.children, self.said, self.reloads = [], [], {True: 0, False: 0}
        self.ensemble("start", "--members", "5", "--with-pid", str(os.getpid()), "--cfg", "reconfigEnabled=true",
                      "--jvm", "-Dzookeeper.skipACL=yes", "--whitelist", "mntr,srvr,conf,cons,hash")
        self.members = self.ensemble("members").split(",")
        self.config = os.path.join(self.folder, "ensembles.yml")
        self.configure(3)
        self.port = free_port()
        self.exporter = self.start("exporter", [binary, "--config.file", self.config,
                                                "--web.listen-address", f"127.0.0.1:{self.port}"])
        self.ready(self.port)
        self.servers = [self.prometheus(number) for number in (1, 2)]
        load = os.path.join(ROOT, "scripts/lib/zk_load.py")
        self.start("load", [sys.executable, "-IB", load, "--rate", "20", ",".join(self.members)])

    def ensemble(self, *arguments):
        done = subprocess.run([os.path.join(ROOT, "scripts/ensemble"), "--dir", os.path.join(self.folder, "zk"), *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise RuntimeError(f"scripts/ensemble {' '.join(arguments)}: {done.stderr}")
        return done.stdout.strip()

    def start(self, name, command):
        with open(os.path.join(self.folder, f"{name}.log"), "wb") as log:
            child = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=tied)
        self.children.append(child)
        return child

    def log(self):
        with open(os.path.join(self.folder, "exporter.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def ready(self, port):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
                connection.request("GET", "/-/ready")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise RuntimeError(f"nothing is ready at port {port} within 60 s: {self.log()[-2000:]}")

    def configure(self, seconds):
        """Writes a configuration with a new timeout, so that a reload changes something."""
        module = {
            "timeout": f"{seconds}s",
            "commands": ["mntr", "srvr", "conf"],
            "session": {"timeout": "6s"},
            "canary": {"interval": "5s", "timeout": "3s", "per_member": True},
            "znodes": {"interval": "5s", "paths": ["/zookeeper-exporter/canary", "/*/config"]},
            "digests": {"interval": "5s"},
            "clients": {"interval": "10s"},
        }
        described = {
            "ensembles": [{"name": "soak", "members": self.members, "discovery": "static"}],
            "modules": {"default": module},
        }
        with open(f"{self.config}.new", "w", encoding="utf-8") as file:
            file.write(json.dumps(described) if seconds else "ensembles: [{")
        os.replace(f"{self.config}.new", self.config)

    def prometheus(self, number):
        path = os.path.join(self.folder, f"prometheus-{number}.yml")
        job = {"job_name": "zookeeper", "static_configs": [{"targets": [f"127.0.0.1:{self.port}"]}]}
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"global": {"scrape_interval": f"{INTERVAL}s", "scrape_timeout": f"{TIMEOUT}s"}, "scrape_configs": [job]}, file)
        port = free_port()
        self.start(f"prometheus-{number}", ["prometheus", f"--config.file={path}", f"--web.listen-address=127.0.0.1:{port}",
                                            f"--storage.tsdb.path={self.folder}/tsdb-{number}", "--log.level=warn"])
        self.ready(port)
        return port

    # --- faults -------------------------------------------------------------------------------

    def fault(self, number, hold):
        """Injects a fault for some seconds and repairs it; returns its name."""
        role = "leader" if number % 2 else "follower"
        kind = ("kill", "pause", "restart", "reconfigure")[number // 2 % 4]
        if kind == "reconfigure":
            self.reconfigure(None, "5")
            time.sleep(hold)
            host, _, port = self.members[4].rpartition(":")
            self.reconfigure(f"server.5={host}:22880:23880:participant;{host}:{port}", None)
        else:
            member = self.ensemble("mode", role).split()[0]
            self.ensemble(kind, member)
            time.sleep(hold)
            # A paused member may have been dropped from the quorum meanwhile, and rejoins.
            heal = {"kill": ("restart", member), "pause": ("resume", member)}.get(kind)
            if heal:
                self.ensemble(*heal)
        self.ensemble("wait")
        return kind if kind == "reconfigure" else f"{kind} {role}"

    def reconfigure(self, joining, leaving):
        from kazoo.client import KazooClient

        for left in range(20, -1, -1):
            client = KazooClient(hosts=",".join(self.members[:4]), timeout=8)
            try:
                client.start(timeout=10)
                client.reconfig(joining=joining, leaving=leaving, new_members=None)
                return
            except Exception:  # any kazoo error during an election
                if not left:
                    raise
                time.sleep(1)
            finally:
                client.stop()
                client.close()

    def reload(self, number):
        """Every fifth file is broken: the previous configuration must remain active."""
        is_good = number % 5 != 4
        self.configure(3 + number % 2 if is_good else 0)
        self.exporter.send_signal(signal.SIGHUP)
        self.reloads[is_good] += 1

    # --- the run ------------------------------------------------------------------------------

    def run(self, seconds, every):
        observer, process, rude = watch.Observer(self.members), watch.Process(self.exporter.pid), watch.Rude(self.port)
        begun, faults, trouble = time.monotonic(), {}, []
        done = threading.Event()

        def make_trouble():
            number = 0
            while time.monotonic() < begun + seconds - every / 2:
                at = time.monotonic()
                try:
                    self.reload(number)
                    name = self.fault(number, every * 0.45)
                    faults[name] = faults.get(name, 0) + 1
                except Exception as error:
                    trouble.append(f"fault {number}: {error}")
                number += 1
                time.sleep(max(0, at + every - time.monotonic()))
            done.set()

        threading.Thread(target=make_trouble, daemon=True).start()
        pages, compared, with_numbers, missing, wrong, waiting = 0, 0, 0, 0, [], []
        while not done.is_set() and self.exporter.poll() is None:
            waiting.append(watch.page(self.port))
            pages += 1
            time.sleep(1.7)
            # A page is compared once the observations after it are complete.
            while waiting and time.monotonic() > waiting[0][1] + watch.STILL + watch.PATIENCE + 1:
                asked, there, series = waiting.pop(0)
                state = observer.still(asked, there)
                if state is None:
                    continue
                lines, leaders = watch.expected(state, self.members)
                if observer.knows_membership(asked):
                    lines.update(watch.numbers(state, leaders, self.members))
                    with_numbers += 1
                    missing += any(said[0] == "no-answer" for said in state.values())
                compared += 1
                wrong += [f"{name} is {series.get(name)}, not {value}; members say {state}"
                          for name, value in lines.items() if series.get(name) != value]
        lasted = time.monotonic() - begun
        for one in (observer, process, rude):
            one.ended.set()
        self.judge(lasted, process.samples, rude.count, faults, trouble, (pages, compared, with_numbers, missing, wrong))

    def judge(self, lasted, samples, rude, faults, trouble, verdicts):
        pages, compared, with_numbers, missing, wrong = verdicts
        self.expect("the exporter runs to the end", "yes", "yes" if self.exporter.poll() is None else "no", self.exporter.poll() is None)
        log = self.log()
        panics = [line for line in log.splitlines() if "panicked" in line]
        self.expect("panics in its log", "0", len(panics), not panics)
        self.exporter.send_signal(signal.SIGTERM)
        code = self.exporter.wait(timeout=30)
        self.expect("exit code after SIGTERM", "0", code, code == 0)
        tenth = max(1, len(samples) // 10)
        for place, (name, more, unit) in enumerate([("resident memory", MORE_MB, " MB"), ("file descriptors", MORE_DESCRIPTORS, ""),
                                                    ("threads", MORE_THREADS, "")]):
            first = statistics.median(sample[place] for sample in samples[:tenth])
            rest = statistics.median(sample[place] for sample in samples[tenth:])
            last = statistics.median(sample[place] for sample in samples[-tenth:])
            most = max(sample[place] for sample in samples[tenth:])
            self.expect(f"{name}: median of the rest, and of the last tenth", f"<= {first:.1f} + {more}{unit}",
                        f"{rest:.1f}, {last:.1f} (most {most:.1f})", max(rest, last) <= first + more)
        span = f"{int(lasted - 2 * INTERVAL)}s"
        for number, port in enumerate(self.servers, 1):
            ask = lambda query: float(self.ask(port, query))  # noqa: E731, B023
            count, failed = ask(f"count_over_time(up[{span}])"), ask(f"count_over_time(up[{span}]) - sum_over_time(up[{span}])")
            slowest = ask(f"max_over_time(scrape_duration_seconds[{span}])")
            due = (lasted - 2 * INTERVAL) / INTERVAL
            self.expect(f"Prometheus {number}: scrapes", f">= {due * 0.95:.0f} of {due:.0f}", f"{count:.0f}", count >= due * 0.95)
            self.expect(f"Prometheus {number}: up is 0", "0", f"{failed:.0f}", failed == 0)
            self.expect(f"Prometheus {number}: slowest scrape", f"< {TIMEOUT} s", f"{slowest:.2f} s", slowest < TIMEOUT)
        canary = float(self.ask(self.servers[0], f'avg_over_time(zk_canary_up{{member=""}}[{span}])'))
        self.expect("the canary's rounds that succeed, faults and reloads included", ">= 60 %", f"{canary:.0%}", canary >= 0.6)
        compared_digests = float(self.ask(self.servers[0], f"changes(zk_ensemble_data_compared_zxid[{span}])"))
        diverged = float(self.ask(self.servers[0], f"max_over_time(zk_ensemble_data_diverged[{span}])"))
        self.expect("comparisons of the members' data", ">= one in 30 s", f"{compared_digests:.0f}", compared_digests >= lasted / 30)
        self.expect("diverged data", "0", f"{diverged:.0f}", diverged == 0)
        self.expect("pages that the observer could judge", f">= a tenth of {pages}", f"{compared}", compared * 10 >= pages)
        self.expect("of them with quorum and margin; while a member was missing", "> 0; > 0", f"{with_numbers}; {missing}",
                    missing > 0)
        self.expect("wrong verdicts", "0", len(wrong), not wrong)
        self.expect("faults", "all healed", f"{sum(faults.values())}, {len(trouble)} failed", not trouble and bool(faults))
        self.expect("clients that hung up half-way", "> 0", rude, rude > 0)
        for is_good, text in ((True, "configuration reloaded"), (False, "configuration reload failed")):
            count, due = log.count(text), self.reloads[is_good]
            self.expect(f"reloads: {text}", due, count, count == due)
        print(f"\n{lasted / 60:.0f} minutes; {', '.join(f'{name} {count}' for name, count in sorted(faults.items()))}\n")
        print("| what | expected | seen | |\n|---|---|---|---|")
        for what, wanted, seen, good in self.said:
            print(f"| {what} | {wanted} | {seen} | {'ok' if good else 'WRONG'} |")
        for line in (panics + wrong + trouble)[:20]:
            print(line)

    def expect(self, what, wanted, seen, good):
        self.said.append((what, wanted, seen, good))

    def ask(self, port, query):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", f"/api/v1/query?{urllib.parse.urlencode({'query': query})}")
        result = json.load(connection.getresponse())["data"]["result"]
        return result[0]["value"][1] if result else "nan"

    def close(self):
        for child in self.children:
            child.kill()
        for child in self.children:
            child.wait()
        try:
            self.ensemble("stop")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exporter", help="the exporter, a release build")
    parser.add_argument("--seconds", type=float, default=3600, help="how long (default 3600)")
    parser.add_argument("--every", type=float, default=60, help="seconds from fault to fault (default 60)")
    options = parser.parse_args()
    logging.getLogger("kazoo").setLevel(logging.CRITICAL)
    soak = Soak(options.exporter)
    try:
        soak.run(options.seconds, options.every)
    finally:
        soak.close()
    sys.exit(any(not good for _, _, _, good in soak.said))


if __name__ == "__main__":
    main()
