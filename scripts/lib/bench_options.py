"""For scripts/bench: what each option of a module costs the members and the exporter.

A real ensemble of three is queried as each option does it, and its CPU time while idle is subtracted. Exporters with one
option each are scraped beside exporters without options, and the difference is the cost of the option.
"""

import contextlib
import http.server
import os
import re
import resource
import socket
import struct
import sys
import tempfile
import threading
import time

import zk_load
from bench_exporter import ROOT, Exporter, cpu_seconds, memory, run


class Options:
    """One run of the measurement."""

    CONNECTIONS, ADDRESSES, ZNODES = 10_000, 200, 100
    # The shortest interval of `clients`. The same exporters run three times, so that more queries fit into less time.
    INTERVAL, COPIES = 10, 3
    RECORDS, PER_RECORD = 1024, 128

    def __init__(self, binary, asks):
        self.binary, self.asks = binary, asks

    def measure(self):
        # Member and this process have a descriptor for each connection.
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        in_memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
        with tempfile.TemporaryDirectory(dir=in_memory) as self.folder, tempfile.TemporaryDirectory() as self.configs:
            ensemble = [os.path.join(ROOT, "scripts/ensemble"), "--dir", self.folder]
            run(*ensemble, "start", "--members", "3", "--with-pid", str(os.getpid()), "--admin", "--heap", "512m",
                "--whitelist", "mntr,srvr,conf,cons,hash", "--cfg", "tickTime=2000",
                "--cfg", "maxSessionTimeout=3600000", "--cfg", "maxClientCnxns=0")
            try:
                self.members = run(*ensemble, "members").strip().split(",")
                self.pids = [self.pid(number) for number in (1, 2, 3)]
                return self.table()
            finally:
                run(*ensemble, "stop")

    def pid(self, number):
        with open(f"{self.folder}/{number}/pid") as file:
            return int(file.read())

    def table(self):
        progress("transactions for all digests")
        self.fill()
        progress("rounds of canary and znodes")
        idle = self.idle(self.pids, self.asks)
        # Bytes, CPU of the servers and CPU of the exporter per round.
        rounds = {
            "canary": self.session("canary: {interval: 1s}", idle),
            "znodes": self.session("znodes: {interval: 1s, paths: [/bench/*]}", idle),
        }
        progress("queries")
        # Bytes and CPU of the server per query.
        queries = {"none": self.query(b"mntr", b"srvr"), "digests": self.query(b"hash")}
        held = self.hold()
        queries |= {"clients": self.query(b"cons"), "admin": self.query("/commands/connections")}
        with self.stand_in() as native:
            progress("scrapes")
            reply = len(exchange(native, get("/metrics")))
            # CPU per scrape, series and memory of each exporter.
            scrapes = self.scraped({
                "none": "", "again": "", "zones": "",
                "digests": "digests: {interval: 5s}",
                "clients": "clients: {interval: 10s}",
                "native": f"commands: [srvr, conf], native: 'http://{native}/metrics'",
                "canary": "canary: {interval: 30s}",
                "znodes": "znodes: {interval: 15s, paths: [/bench/*]}",
            })
        for session in held:
            session.close()
        base = scrapes["none"]
        more = {name: [value - of_base for value, of_base in zip(found, base)] for name, found in scrapes.items()}

        def row(option, per, size, server, exporter, name, bound):
            _, series, peak = more[name]
            return f"| {option} | {per} | {kilobytes(size)} | {server} | {exporter} | {series:+.0f} | {peak / 1e6:+.1f} MB | {bound} |"

        def command(option, name, members, bound):
            size, server = queries[name]
            return row(option, "member and 60 s", size, ms(server), ms(more[name][0] / members, "+"), name, bound)

        def session(option, name, interval, bound):
            size, servers, exporter = rounds[name]
            return row(option, f"ensemble and {interval} s", size, ms(servers), ms(exporter), name, bound)

        size, server = queries["none"]
        many = f"{self.CONNECTIONS} connections of {self.ADDRESSES} addresses"
        size_of_admin, server_of_admin = queries["admin"]
        return "\n".join([
            "| option | one query per | bytes | CPU of the server | CPU of the exporter | series | memory | bound |",
            "|---|---|---|---|---|---|---|---|",
            f"| none: `mntr` and `srvr` | member and scrape | {kilobytes(size)} | {ms(server)} | {ms(base[0] / 3)} | {base[1]:.0f} | "
            f"{base[2] / 1e6:.1f} MB | `--limit.reply-bytes`, `--limit.series-per-member` |",
            command(f"`digests`, {self.RECORDS} digests", "digests", 3, f"{self.RECORDS} digests: the server keeps no more"),
            command(f"`clients`, {many}", "clients", 1,
                    "`--limit.reply-bytes`; 250 000 connections of an ensemble; `top` series per family"),
            f"| the same over the AdminServer | member and 60 s | {kilobytes(size_of_admin)} | {ms(server_of_admin)} | "
            "none: discarded | - | - | `--limit.reply-bytes` |",
            row("`zone`, three zones", "none", 0, "none", ms(more["zones"][0] / 3, "+"), "zones", "32 zones of an ensemble"),
            row("`native` instead of `mntr`", "member and scrape", reply, "not measured", ms(more["native"][0] / 3, "+"), "native",
                "as without options"),
            session("`canary`", "canary", 30, "one session, one round at a time"),
            session(f"`znodes`, {self.ZNODES} numbers", "znodes", 15, "one session; `max_znodes`, `max_bytes`"),
            "",
            f"{self.asks} queries per row. A second group of exporters without options differed from the first by "
            f"{ms(more['again'][0] / 3)} per member and by {more['again'][2] / 1e6:.1f} MB.",
        ])

    def fill(self):
        """Znodes to read, and enough transactions that `hash` has all its lines."""
        session = zk_load.Session(self.members[0])
        session.create("/bench", b"")
        for number in range(self.ZNODES):
            session.create(f"/bench/{number}", b"42.5")
        data = zk_load.string("/bench/0") + zk_load.buffer(b"42.5") + struct.pack(">i", -1)
        frame = zk_load.buffer(struct.pack(">ii", 1, zk_load.SET) + data)
        batch = 512
        for _ in range((self.RECORDS + 2) * self.PER_RECORD // batch):
            session.socket.sendall(frame * batch)
            for _ in range(batch):
                session._frame()
        session.close()
        lines = exchange(self.members[0], b"hash").count(b"\n")
        if lines < self.RECORDS:
            sys.exit(f"scripts/bench: `hash` has {lines} lines")

    def idle(self, pids, seconds):
        """CPU of idle servers per second."""
        before = sum(map(cpu_seconds, pids))
        time.sleep(seconds)
        return (sum(map(cpu_seconds, pids)) - before) / seconds

    def query(self, *commands):
        """Bytes and CPU of the first member for these commands, or for a path of its AdminServer."""
        member = self.members[0]
        asked = [(member, command) for command in commands]
        if isinstance(commands[0], str):
            member = f"{member.rsplit(':', 1)[0]}:28080"
            asked = [(member, get(commands[0]))]
        # Warm-up: the compiler of the JVM.
        for _ in range(100):
            size = sum(len(request) + len(exchange(address, request)) for address, request in asked)
        idle = self.idle(self.pids[:1], 5)
        before, begun = cpu_seconds(self.pids[0]), time.monotonic()
        for _ in range(self.asks):
            for one in asked:
                exchange(*one)
            time.sleep(0.05)
        used = cpu_seconds(self.pids[0]) - before - idle * (time.monotonic() - begun)
        return size, used / self.asks

    def session(self, module, idle):
        """Bytes, CPU of all members and CPU of the exporter per round of a probe with a session and a round per second."""
        exporter = self.exporter(module)
        exporter.scrape({})
        time.sleep(5)
        pid = exporter.process.pid

        def state():
            return session_bytes(pid), sum(map(cpu_seconds, self.pids)), cpu_seconds(pid), time.monotonic()
        before = state()
        time.sleep(self.asks)
        size, servers, used, seconds = (after - old for after, old in zip(state(), before))
        exporter.stop()
        return size / seconds, servers / seconds - idle, used / seconds

    def hold(self):
        """Idle sessions of many addresses at the first member."""
        host, port = self.members[0].rsplit(":", 1)
        hello = zk_load.buffer(struct.pack(">iqiqi16s?", 0, 0, 3_600_000, 0, 16, bytes(16), False))
        held = []
        for number in range(self.CONNECTIONS):
            one = number % self.ADDRESSES
            source = f"127.77.{one // 100}.{one % 100 + 1}"
            held.append(socket.create_connection((host, int(port)), timeout=60, source_address=(source, 0)))
            held[-1].sendall(hello)
            # The members commit sessions in groups.
            for session in held[-100:] if number % 100 == 99 else []:
                if not session.recv(100):
                    sys.exit("scripts/bench: a session was refused")
        return held

    @contextlib.contextmanager
    def stand_in(self):
        """The address of an endpoint that sends the captured reply of ZooKeeper's Prometheus provider."""
        with open(os.path.join(ROOT, "tests/fixtures/3.9.3/leader-prometheus-provider/prometheus-metrics.txt"), "rb") as file:
            body = file.read()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()

    def exporter(self, module, zones=False):
        members = [f"'{member}'" for member in self.members]
        if zones:
            members = [f"{{address: {member}, zone: z{number}}}" for number, member in enumerate(members)]
        with tempfile.NamedTemporaryFile("w", dir=self.configs, suffix=".yml", delete=False) as file:
            file.write(f"ensembles: [{{name: bench, members: [{', '.join(members)}]}}]\n"
                       f"modules: {{default: {{timeout: 9s, {module}}}}}\n")
        return Exporter(self.binary, {"bench": ",".join(self.members)}, file.name)

    def scraped(self, modules):
        """CPU per scrape, series and peak memory of exporters that read all options in every scrape."""
        exporters = {name: [self.exporter(module, name == "zones") for _ in range(self.COPIES)] for name, module in modules.items()}
        rounds = self.asks // self.COPIES
        used = {}
        # The first rounds are a warm-up: `conf`, the names, the first rate.
        for number in range(-2, rounds):
            begun = time.monotonic()
            for name, copies in exporters.items():
                for exporter in copies:
                    before = cpu_seconds(exporter.process.pid)
                    exporter.scrape({})
                    if number >= 0:
                        used[name] = used.get(name, 0) + cpu_seconds(exporter.process.pid) - before
            time.sleep(max(0, begun + self.INTERVAL - time.monotonic()))
        found = {}
        for name, copies in exporters.items():
            lines = [exporter.text().split("\n") for exporter in copies]
            series = sum(line.startswith("zk_") and not line.startswith("zk_exporter_") for page in lines for line in page)
            peak = sum(memory(exporter.process.pid, "VmHWM") for exporter in copies)
            found[name] = (used[name] / rounds / self.COPIES, series / self.COPIES, peak / self.COPIES)
            for exporter in copies:
                exporter.stop()
        return found


def progress(step):
    print(f"{time.strftime('%H:%M:%S')} {step}", file=sys.stderr, flush=True)


def ms(seconds, sign=""):
    return f"{seconds * 1000:{sign}.2f} ms"


def kilobytes(size):
    return f"{size / 1000:.1f} kB" if size else "none"


def get(path):
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()


def exchange(address, request):
    """Sends a request and reads to the end of the stream."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=30) as stream:
        stream.sendall(request)
        return b"".join(iter(lambda: stream.recv(1 << 16), b""))


def session_bytes(pid):
    """Bytes that the client sessions of a process have sent and received."""
    sockets = [line for line in run("ss", "-tinpHO", "dport", "=", ":21810").split("\n") if f"pid={pid}," in line]
    return sum(int(size) for line in sockets for size in re.findall(r"bytes_(?:sent|received):(\d+)", line))
