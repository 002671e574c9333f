"""For scripts/bench: a running exporter, and what the kernel accounts to a process."""

import gzip
import http.client
import os
import socket
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def run(*command):
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def cpu_seconds(pid):
    """Time on a processor of all threads, past ones included, by the scheduler's own account: the process clock of the pid."""
    return time.clock_gettime((~pid << 3) | 2)


def memory(pid, which):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(f"{which}:"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Exporter:
    """A running exporter and one kept connection to it."""

    def __init__(self, binary, ensembles, config=None):
        self.port = free_port()
        self.members = sum(members.count(",") + 1 for members in ensembles.values())
        told = [word for name, members in ensembles.items() for word in ("--zookeeper", f"{name}={members}")]
        if config:
            told = ["--config.file", config]
        begun = time.perf_counter()
        self.process = subprocess.Popen(
            [binary, *told, "--web.listen-address", f"127.0.0.1:{self.port}"],
            stderr=subprocess.DEVNULL,
        )
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port)) as stream:
                    stream.sendall(b"GET /-/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    if stream.recv(64).startswith(b"HTTP/1.1 200"):
                        break
            except ConnectionRefusedError:
                if self.process.poll() is not None:
                    sys.exit("scripts/bench: the exporter ended")
                time.sleep(0.0002)
        self.ready = time.perf_counter() - begun
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port)

    def scrape(self, headers):
        begun = time.perf_counter()
        self.connection.request("GET", "/metrics", headers={"X-Prometheus-Scrape-Timeout-Seconds": "10", **headers})
        answer = self.connection.getresponse()
        body = answer.read()
        took = time.perf_counter() - begun
        if answer.getheader("content-encoding") == "gzip":
            body = gzip.decompress(body)
        whole = sum(line.startswith(b"zk_mntr_complete{") and line.endswith(b" 1") for line in body.split(b"\n"))
        if answer.status != 200 or whole != self.members:
            sys.exit(f"scripts/bench: a page was not whole: status {answer.status}, {whole} of {self.members} members")
        return took, len(body)

    def text(self):
        self.connection.request("GET", "/metrics")
        return self.connection.getresponse().read().decode()

    def page(self, media, packed):
        """The size of a page of this media type on the wire and unpacked."""
        headers = {"X-Prometheus-Scrape-Timeout-Seconds": "10", "Accept": media}
        self.connection.request("GET", "/metrics", headers={**headers, "Accept-Encoding": "gzip"} if packed else headers)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200 or not answer.getheader("content-type").startswith(media.split(";")[0]):
            sys.exit(f"scripts/bench: {media} was answered with {answer.status} {answer.getheader('content-type')}")
        if (answer.getheader("content-encoding") == "gzip") != packed:
            sys.exit(f"scripts/bench: {media}: unexpected encoding {answer.getheader('content-encoding')}")
        return len(body), len(gzip.decompress(body)) if packed else len(body)

    def stop(self):
        self.connection.close()
        self.process.terminate()
        self.process.wait(timeout=10)
