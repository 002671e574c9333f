"""Servers with a generated history: Prometheus from the blocks of promtool, VictoriaMetrics by its import."""

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

DEADLINE = 60


def tied():
    """Runs in the child process: kills it when its parent dies."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait(what, url):
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.1)
    raise SystemExit(f"history: {what} is not ready within {DEADLINE} s")


def write_blocks(promtool, history, folder):
    """Writes the blocks of a history, one run of promtool per block: it reads its input once per block."""
    os.makedirs(folder, exist_ok=True)
    text = os.path.join(folder, "samples.txt")
    for _, lines in history.openmetrics():
        with open(text, "w") as file:
            file.writelines(lines)
        command = [promtool, "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=18h", text, folder]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"history: promtool fails: {done.stderr[:500]}")
    os.remove(text)


class Server:
    """A process and its URL; `peak` is the largest resident memory, in MiB."""

    def __init__(self, name, command, port, folder, ready):
        self.name, self.url = name, f"http://127.0.0.1:{port}"
        with open(os.path.join(folder, f"{name}.log"), "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=tied)
        wait(name, self.url + ready)

    def peak(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) // 1024

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            user, system = file.read().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.kill()
        self.process.wait()


def prometheus(name, binary, blocks, folder, *flags):
    """A Prometheus with a copy of the blocks, hard-linked."""
    data, port = os.path.join(folder, f"{name}-data"), free_port()
    shutil.copytree(blocks, data, copy_function=os.link)
    configuration = os.path.join(folder, f"{name}.yml")
    with open(configuration, "w") as file:
        file.write("scrape_configs: []\n")
    command = [binary, f"--config.file={configuration}", f"--storage.tsdb.path={data}", "--storage.tsdb.retention.time=50y",
               f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn", *flags]
    return Server(name, command, port, folder, "/-/ready")


def victoria_metrics(binary, history, folder):
    port = free_port()
    command = [binary, f"-storageDataPath={folder}/vm-data", f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=50y",
               "-loggerLevel=WARN", "-search.latencyOffset=0s"]
    server = Server("victoria-metrics", command, port, folder, "/health")
    for lines in batches(history.json_lines(), 8 << 20):
        request = urllib.request.Request(server.url + "/api/v1/import", data=lines.encode(), method="POST")
        urllib.request.urlopen(request, timeout=120).close()
    urllib.request.urlopen(server.url + "/internal/force_flush", timeout=60).close()
    return server


def batches(lines, size):
    batch, length = [], 0
    for line in lines:
        batch.append(line)
        length += len(line)
        if length >= size:
            yield "".join(batch)
            batch, length = [], 0
    yield "".join(batch)


def backtest(exporter, server, *flags, time_limit=3600):
    """The parsed JSON of a backtest, its seconds and its peak memory in MiB."""
    command = [exporter, "rules", "backtest", "--prometheus", server.url, "--output", "json", *flags]
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=tied)
    try:
        out, err = process.communicate(timeout=time_limit)
    except subprocess.TimeoutExpired:
        process.kill()
        raise SystemExit(f"history: the backtest of {server.name} does not end within {time_limit} s") from None
    if process.returncode:
        raise SystemExit(f"history: the backtest of {server.name} ends with {process.returncode}: {err[:2000]}")
    return json.loads(out), time.monotonic() - begun


def firings(result, configuration="config"):
    """Every firing of a backtest: alert, severity, labels, start, end, and whether it goes on."""
    found = set()
    for row in result["alerts"]:
        if row["configuration"] == configuration:
            for one in row["list"]:
                labels = tuple(sorted(one["labels"].items()))
                found.add((row["alert"], row["severity"], labels, one["start"], one["end"], one["goes_on"]))
    return found
