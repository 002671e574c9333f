"""Environment of the dashboard tests: an ensemble under load, replayed replies of other releases, exporter, Prometheus.

Everything runs on loopback in one temporary directory; the kernel kills the child processes when this process dies.
"""

import ctypes
import glob
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FIXTURES = os.path.join(ROOT, "tests/fixtures")
SCRAPE_SECONDS = 2
# Divisor for the durations of the rules, and the minimum range: slightly more than three scrapes.
FACTOR, SHORTEST_RANGE = 10, 9

# Replayed ensembles: name, and the fixture of each member.
REPLAYED = {
    "legacy": ["3.4.14/leader", "3.4.14/follower", "3.4.14/follower"],
    "search": ["3.9.3/leader-prometheus-provider", "3.9.3/follower-prometheus-provider", "3.9.3/follower-prometheus-provider"],
    "locked": ["3.8.0/whitelist-refuses"],
    "dev": ["3.9.3/standalone"],
}


def tied():
    """Runs in the child process: kills it when its parent dies."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def free_port(address):
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


class Replay:
    """A member that replies to each command with the recorded bytes of a real server."""

    def __init__(self, address, fixture):
        self.words = {}
        for word in ("mntr", "srvr", "conf"):
            path = os.path.join(FIXTURES, fixture, f"{word}.txt")
            if os.path.exists(path):
                with open(path, "rb") as file:
                    self.words[word.encode()] = file.read()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, 2181))
        self.listener.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            stream, _ = self.listener.accept()
            threading.Thread(target=self._answer, args=(stream,), daemon=True).start()

    def _answer(self, stream):
        with stream:
            try:
                stream.settimeout(5)
                stream.sendall(self.words.get(stream.recv(4), b""))
            except OSError:
                pass


class Stage:
    def __init__(self, exporter):
        self.folder = tempfile.mkdtemp(prefix="zookeeper-dashboards-")
        self.zk = os.path.join(self.folder, "zk")
        self.children, self.clients, self.replays = [], [], []
        self.delay = os.path.join(self.folder, "delay")
        self.ensemble("start", "--with-pid", str(os.getpid()), "--members", "3", "--observers", "1",
                      "--cfg", "jvm.pause.monitor=true", "--cfg", "snapCount=2000", "--cfg", "maxClientCnxns=200")
        self.members = self.ensemble("members").split(",")
        self.exporter = self._exporter(exporter)
        self.prometheus = self._prometheus()
        self._load()

    # --- components --------------------------------------------------------------------------

    def ensemble(self, *arguments, **environment):
        script = os.path.join(ROOT, "scripts/ensemble")
        done = subprocess.run([script, "--dir", self.zk, *arguments], env={**os.environ, **environment},
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise RuntimeError(f"scripts/ensemble {' '.join(arguments)}: {done.stderr}")
        return done.stdout.strip()

    def start(self, name, command, **options):
        with open(os.path.join(self.folder, f"{name}.log"), "wb") as log:
            child = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=tied, **options)
        self.children.append(child)
        return child

    def _exporter(self, binary):
        network = f"127.{random.randrange(80, 250)}"
        described = []
        for number, member in enumerate(self.ensemble("members", "--flag").split(",")):
            role = "observer" if member.endswith(":observer") else "participant"
            zone = "abc"[number % 3]
            described.append({"address": member.removesuffix(":observer"), "role": role, "zone": zone})
        ensembles = [{"name": "prod", "members": described, "module": "beside"}]
        for number, (name, fixtures) in enumerate(REPLAYED.items()):
            addresses = [f"{network}.{number + 1}.{member + 1}" for member in range(len(fixtures))]
            self.replays += [Replay(*pair) for pair in zip(addresses, fixtures)]
            ensembles.append({"name": name, "members": [f"{address}:2181" for address in addresses]})
        config = os.path.join(self.folder, "ensembles.yml")
        with open(config, "w", encoding="utf-8") as file:
            beside = {"host": True, "canary": {"interval": "2s", "timeout": "2s"},
                      "znodes": {"interval": "1s", "paths": ["/queue_length", "/nothing"]},
                      "clients": {"interval": "10s"}}
            json.dump({"ensembles": ensembles, "modules": {"beside": beside}}, file)
        self._znode_with_an_alarm(binary)
        port = free_port("127.0.0.1")
        self.start("exporter", [binary, "--web.listen-address", f"127.0.0.1:{port}", "--config.file", config])
        self._ready(port, "/-/ready", "exporter")
        return port

    def _znode_with_an_alarm(self, binary):
        from kazoo.client import KazooClient

        client = KazooClient(hosts=self.members[0], timeout=8)
        client.start(timeout=30)
        client.create("/queue_length", b"40")
        client.stop()
        subprocess.run([binary, "alarm", "set", "/queue_length", "90", "--warning", "80", "--zookeeper", f"prod={self.members[0]}"],
                       check=True, stdout=subprocess.DEVNULL)

    def _prometheus(self):
        rules = os.path.join(self.folder, "rules")
        os.mkdir(rules)
        files = sorted(glob.glob(os.path.join(ROOT, "alert-rules/*.yml")))
        subprocess.run([sys.executable, "-IB", os.path.join(ROOT, "scripts/lib/quick_rules.py"), str(FACTOR),
                        str(SHORTEST_RANGE), rules, *files], check=True, stdout=subprocess.DEVNULL)
        node_port = free_port("0.0.0.0")
        self.start("node_exporter", ["prometheus-node-exporter", f"--web.listen-address=:{node_port}"])
        hosts = [f"{member.rpartition(':')[0]}:{node_port}" for member in self.members]
        config = {
            "global": {"scrape_interval": f"{SCRAPE_SECONDS}s", "scrape_timeout": f"{SCRAPE_SECONDS}s",
                       "evaluation_interval": f"{SCRAPE_SECONDS}s"},
            "rule_files": [f"{rules}/*.yml"],
            "scrape_configs": [
                {"job_name": "zookeeper", "static_configs": [{"targets": [f"127.0.0.1:{self.exporter}"]}]},
                {"job_name": "node", "static_configs": [{"targets": hosts}]},
            ],
        }
        path = os.path.join(self.folder, "prometheus.yml")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file)
        port = free_port("127.0.0.1")
        self.start("prometheus", ["prometheus", f"--config.file={path}", f"--storage.tsdb.path={self.folder}/tsdb",
                                  f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"])
        self._ready(port, "/-/ready", "prometheus")
        return port

    def _load(self):
        load = os.path.join(ROOT, "scripts/lib/zk_load.py")
        self.start("load", [sys.executable, "-IB", load, "--rate", "120", ",".join(self.members)])

    def clients_that_leak(self, every=2.0):
        """Adds clients continuously, each with a session, watches and data, so that these counts grow."""
        import logging

        from kazoo.client import KazooClient

        logging.getLogger("kazoo").setLevel(logging.CRITICAL)

        def leak():
            while True:
                number = len(self.clients)
                client = KazooClient(hosts=self.members[number % 3], timeout=8, connection_retry={"max_tries": 1})
                try:
                    client.start(timeout=4)
                    client.ensure_path(f"/tenants/t{number % 5}")
                    for _ in range(5):
                        client.create(f"/tenants/t{number % 5}/n", b"x" * 2000, sequence=True)
                    client.get_children("/tenants", watch=lambda event: None)
                    client.create(f"/services-{number}", b"here", ephemeral=True)
                    self.clients.append(client)
                except Exception:  # any error of a broken ensemble; the next client continues
                    pass
                time.sleep(every)

        threading.Thread(target=leak, daemon=True).start()

    def slow_disk(self, member, milliseconds):
        library = os.path.join(self.folder, "slow_fsync.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, os.path.join(ROOT, "tests/demo/slow_fsync.c"), "-ldl"],
                       check=True)
        with open(self.delay, "w", encoding="utf-8") as file:
            file.write(str(milliseconds))
        self.slow = self.members[int(member) - 1]
        self.ensemble("restart", member, "--wait", LD_PRELOAD=library, SLOW_FSYNC=self.delay)

    # --- queries ------------------------------------------------------------------------------

    def _ready(self, port, path, name):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
                connection.request("GET", path)
                if connection.getresponse().status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        with open(os.path.join(self.folder, f"{name}.log"), encoding="utf-8", errors="replace") as log:
            raise RuntimeError(f"{name} is not ready within 60 s: {log.read()[-2000:]}")

    def ask(self, path, **fields):
        """The data of a Prometheus response; raises RuntimeError with the message of an error response."""
        connection = http.client.HTTPConnection("127.0.0.1", self.prometheus, timeout=30)
        connection.request("GET", f"/api/v1/{path}?{urllib.parse.urlencode(fields, doseq=True)}")
        answer = json.load(connection.getresponse())
        if answer["status"] != "success":
            raise RuntimeError(answer["error"])
        return answer["data"]

    def await_(self, query, seconds):
        deadline = time.monotonic() + seconds
        while not self.ask("query", query=query)["result"]:
            if time.monotonic() > deadline:
                raise RuntimeError(f"Prometheus does not have it within {seconds} s: {query}")
            time.sleep(0.3)

    def close(self):
        for child in self.children:
            child.kill()
        for child in self.children:
            child.wait()
        try:
            self.ensemble("stop")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
