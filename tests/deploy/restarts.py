"""Tests the examples of docs/restarts.md: tests/deploy/restarts.py EXPORTER

A fake endpoint that returns 409 twice and then 200 replaces the exporter for the preStop hook of Kubernetes and for
curl; the systemd drop-in is verified as part of a unit; the Ansible play is parsed, and its URL must be an endpoint of
the exporter. Commands of the product run without a member: only the existence of their flags is checked.
"""

import http.server
import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import yaml

EXPORTER = sys.argv[1]
TEXT = Path("docs/restarts.md").read_text(encoding="utf-8")


def fail(why):
    sys.exit(f"docs/restarts.md: {why}")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.S)


class Fake(http.server.BaseHTTPRequestHandler):
    """Returns 409 twice, then 200."""

    asked = []

    def do_GET(self):
        Fake.asked.append(self.path)
        self.send_response(409 if len(Fake.asked) % 3 else 200)
        self.end_headers()
        self.wfile.write(b"{}\n")

    def log_message(self, *_):
        pass


def hook(url, folder):
    """The preStop hook waits and succeeds once the exporter allows the restart."""
    pod = yaml.safe_load(blocks("yaml")[1])
    shell, flag, script = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    waits = int(re.search(r"seq (\d+)", script)[1]) * int(re.search(r"sleep (\d+)", script)[1])
    if waits >= pod["terminationGracePeriodSeconds"]:
        fail(f"the hook waits {waits} s, longer than the grace period")
    for name, body in (("hostname", "echo zk-2.zk"), ("sleep", f"echo slept >>{folder}/slept")):
        (folder / name).write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    script = script.replace("http://zookeeper-exporter:9141", url)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run([shell, flag, script], env=environment, timeout=60, capture_output=True, check=False)
    slept = (folder / "slept").read_text(encoding="utf-8").count("slept")
    wanted = "/-/may-restart?ensemble=prod&member=zk-2.zk:2181&allow_leader=true"
    if done.returncode or slept != 2 or Fake.asked != [wanted] * 3:
        fail(f"the preStop hook ended with {done.returncode} after {Fake.asked}, {slept} waits: {done.stderr}")


def curl(url):
    """curl -f fails on status 409 and succeeds on 200."""
    line = next(line for line in blocks("sh")[1].splitlines() if line.startswith("curl "))
    codes = []
    for _ in range(3):
        command = line.replace("http://localhost:9141", url)
        codes.append(subprocess.run(["sh", "-c", command], timeout=60, capture_output=True, check=False).returncode)
    if codes != [22, 22, 0]:
        fail(f"curl ended with {codes}")


def unit(folder):
    """systemd accepts the drop-in, whose stop timeout is not shorter than the timeout of the command."""
    dropin = blocks("ini")[0].replace("/usr/bin/zookeeper-exporter", EXPORTER)
    (folder / "zookeeper.service").write_text("[Service]\nExecStart=/bin/sleep 1d\n", encoding="utf-8")
    (folder / "zookeeper.service.d").mkdir()
    (folder / "zookeeper.service.d/restart.conf").write_text(dropin, encoding="utf-8")
    verify = ["systemd-analyze", "verify", "--man=no", str(folder / "zookeeper.service")]
    said = subprocess.run(verify, timeout=60, capture_output=True, text=True, check=False)
    if said.returncode or said.stderr:
        fail(f"systemd: {said.stderr}")
    wait, stop = re.search(r"--wait (\d+)m", dropin)[1], re.search(r"TimeoutStopSec=(\d+)min", dropin)[1]
    if int(wait) >= int(stop):
        fail("systemd stops before the command gives up")
    command = re.search(r"ExecStop=-(.*)", dropin)[1].replace("--wait 5m", "--wait 0s").replace("zk-1,zk-2,zk-3", "127.0.0.1:1")
    knows_flags([command.replace("zk-2:2181", "127.0.0.1:1")])


def knows_flags(commands):
    """Exit code 2 means wrong usage."""
    for command in commands:
        done = subprocess.run(command.split(), timeout=60, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            fail(f"{command}: {done.stderr}")


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fake)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "ensembles.yml").write_text("ensembles: [{name: prod, members: ['127.0.0.1:1']}]\n", encoding="utf-8")
        lines = blocks("sh")[0].strip().splitlines()
        known = (("ensembles.yml", f"{folder}/ensembles.yml"), ("zk-2:2181", "127.0.0.1:1"), ("--wait 10m", "--wait 0s"))
        for before, after in known:
            lines = [line.replace(before, after) for line in lines]
        knows_flags(re.sub(r"^zookeeper-exporter", EXPORTER, line) for line in lines)
        hook(url, folder)
        curl(url)
        unit(folder)
    play = yaml.safe_load(blocks("yaml")[0])[0]
    wait = play["tasks"][0]
    if play["serial"] != 1 or "/-/may-restart?ensemble=" not in wait["ansible.builtin.uri"]["url"]:
        fail("the play of Ansible restarts more than one, or asks another page")
    print(f"{len(lines)} commands, preStop hook, curl, drop-in and play of docs/restarts.md")


main()
