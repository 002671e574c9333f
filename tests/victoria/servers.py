"""Servers of the tests with VictoriaMetrics: processes in one temporary directory, and what their APIs report.

The kernel kills the processes when this process dies.
"""

import glob
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tests/formats"), os.path.join(ROOT, "tests/dashboards")]

from run import get, instant, wait  # noqa: E402, F401
from stage import free_port, tied  # noqa: E402


def local(port):
    return f"127.0.0.1:{port}"


class Servers:
    """The processes by name, each with a log of that name in `folder`."""

    def __init__(self, name, tools):
        self.folder = tempfile.mkdtemp(prefix=f"zookeeper-{name}-")
        self.tools = tools
        self.processes = {}

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, value):
        """Writes JSON, which is YAML; returns the path."""
        with open(self.path(name), "w", encoding="utf-8") as file:
            json.dump(value, file)
        return self.path(name)

    def start(self, name, *command):
        with open(self.path(f"{name}.log"), "ab") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=tied)

    def kill(self, name):
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def ended(self):
        """The processes that ended by themselves."""
        return [name for name, process in self.processes.items() if process.poll() is not None]

    def log(self, name, length=2000):
        with open(self.path(f"{name}.log"), encoding="utf-8", errors="replace") as file:
            return file.read()[-length:]

    def close(self):
        for name in list(self.processes):
            self.kill(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def quick_rules(self, factor, shortest):
        """The shipped rules with every duration divided by `factor`; returns the pattern of their files."""
        os.mkdir(self.path("rules"))
        files = sorted(glob.glob(os.path.join(ROOT, "alert-rules/*.yml")))
        subprocess.run([sys.executable, "-IB", os.path.join(ROOT, "scripts/lib/quick_rules.py"), str(factor), str(shortest),
                        self.path("rules"), *files], check=True, stdout=subprocess.DEVNULL)
        return self.path("rules/*.yml")

    def prometheus(self, name, binary, config, *flags):
        port = free_port("127.0.0.1")
        path = self.write(f"{name}.yml", config)
        self.start(name, binary, f"--config.file={path}", f"--storage.tsdb.path={self.path(name)}-data",
                   f"--web.listen-address={local(port)}", "--log.level=warn", *flags)
        return f"http://{local(port)}"

    def victoria(self, name, *flags):
        port = free_port("127.0.0.1")
        self.start(name, os.path.join(self.tools, "victoria-metrics"), f"-httpListenAddr={local(port)}",
                   f"-storageDataPath={self.path(name)}-data", "-memory.allowedPercent=5", "-loggerLevel=WARN", *flags)
        return f"http://{local(port)}"

    def vmalert(self, name, victoria, rules, *flags):
        """vmalert, whose alert states and recorded series are kept in `victoria`."""
        port = free_port("127.0.0.1")
        self.start(name, os.path.join(self.tools, "vmalert"), f"-httpListenAddr={local(port)}", f"-datasource.url={victoria}",
                   f"-remoteWrite.url={victoria}", f"-remoteRead.url={victoria}", f"-rule={rules}", "-loggerLevel=WARN", *flags)
        return f"http://{local(port)}"


def value(server, query):
    """The value of the first series, 0.0 without one."""
    found = instant(server, query)
    return float(found[0]["value"][1]) if found else 0.0


def rules(server):
    """Every rule of a Prometheus or vmalert."""
    groups = json.loads(get(f"{server}/api/v1/rules"))["data"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


def unhealthy(server):
    """The rules that were not evaluated, or with an error."""
    return [f"{rule['name']}: {rule['health']} {rule.get('lastError', '')}" for rule in rules(server) if rule["health"] != "ok"]


def firing(server):
    """The labels of the firing alerts, without those that only one of the two programs adds."""
    alerts = json.loads(get(f"{server}/api/v1/alerts"))["data"]["alerts"]
    return {tuple(sorted((name, text) for name, text in alert["labels"].items() if name != "alertgroup"))
            for alert in alerts if alert["state"] == "firing"}


def post(url, **fields):
    """Sends a form to a server, which must accept it."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request("POST", parts.path, urllib.parse.urlencode(fields))
    status = connection.getresponse().status
    connection.close()
    if status not in (200, 204):
        raise SystemExit(f"{url} answered {status}")


def until(what, ready, seconds):
    """Waits until `ready` returns something true and returns it; None after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if found := ready():
                return found
        except (OSError, IndexError):
            pass
        time.sleep(0.5)
    print(f"not within {seconds} s: {what}")
    return None
