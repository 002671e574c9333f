"""Observers of the soak test: an independent observer of the members, a sampler of the process, misbehaving clients.

The observer shares no code with the exporter: it sends four-letter commands once a second, with one thread per member,
and parses the replies in the simplest way.
"""

import http.client
import os
import random
import re
import socket
import struct
import threading
import time

# Seconds before and after a page during which the observed state must be constant for a comparison.
STILL = 3.0
# A member that does not reply within this time is counted as not responding.
PATIENCE = 2.0
# The exporter queries the membership at most once a minute.
MEMBERSHIP_KNOWN = 80.0


# The member replied to only one of the commands: its state is unknown.
UNSURE = ("unsure", None, None)


def word(member, name):
    """The reply to a four-letter command; None if there is none."""
    host, _, port = member.rpartition(":")
    deadline = time.monotonic() + PATIENCE
    try:
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as stream:
            stream.sendall(name.encode())
            answer = b""
            while True:
                stream.settimeout(max(0.01, deadline - time.monotonic()))
                part = stream.recv(65536)
                if not part:
                    return answer.decode(errors="replace") or None
                answer += part
    except OSError:
        return None


def look(member):
    """The state of a member as it reports it: role, synced followers, voters of its membership."""
    srvr = word(member, "srvr")
    if srvr is None:
        return ("no-answer", None, None)
    mode = re.search(r"^Mode: (\S+)", srvr, re.MULTILINE)
    if not mode:
        return ("not-serving", None, None)
    mntr, conf = word(member, "mntr"), word(member, "conf")
    if mntr is None or conf is None:
        return UNSURE
    synced = re.search(r"^zk_synced_followers\t(\d+)", mntr, re.MULTILINE)
    without_vote = re.search(r"^zk_synced_non_voting_followers\t(\d+)", mntr, re.MULTILINE)
    voters = frozenset(re.findall(r"^server\.(\d+)=[^;\n]*:participant", conf, re.MULTILINE))
    followers = int(synced[1]) - int(without_vote[1] if without_vote else 0) if synced else None
    return (mode[1], followers, voters)


class Observer:
    """Queries every member once a second and keeps the last minutes."""

    def __init__(self, members):
        self.members = members
        self.seen = {member: [] for member in members}
        self.membership, self.membership_since = None, time.monotonic()
        self.ended = threading.Event()
        for member in members:
            threading.Thread(target=self._watch, args=(member,), daemon=True).start()

    def _watch(self, member):
        while not self.ended.is_set():
            begun = time.monotonic()
            said = look(member)
            now = time.monotonic()
            self.seen[member] = self.seen[member][-120:] + [(begun, now, said)]
            if said[0] == "leader" and said[2] != self.membership:
                self.membership, self.membership_since = said[2], now
            self.ended.wait(max(0.05, begun + 1 - now))

    def still(self, begun, ended):
        """The state of all members around the time of the page; None if it changed or is unknown."""
        state = {}
        for member in self.members:
            during = [said for start, end, said in self.seen[member] if end > begun - STILL and start < ended + STILL]
            if len(during) < 3 or during[0] == UNSURE or any(said != during[0] for said in during):
                return None
            state[member] = during[0]
        return state

    def knows_membership(self, begun):
        return begun - self.membership_since > MEMBERSHIP_KNOWN


def expected(state, members):
    """The series and values expected on a page for a state. Voter counts are included only with exactly one leader."""
    lines = {}
    for member in members:
        for name in ("leader", "follower", "observer", "standalone", "read-only", "not-serving", "no-answer"):
            lines[f'zk_server_state{{ensemble="soak",member="{member}",state="{name}"}}'] = int(state[member][0] == name)
        lines[f'zk_up{{ensemble="soak",member="{member}"}}'] = int(state[member][0] != "no-answer")
    leaders = [member for member in members if state[member][0] == "leader"]
    return lines, leaders


def numbers(state, leaders, members):
    """Quorum by the simplest rule: the leader and its followers against half of the voters."""
    lines = {'zk_ensemble_leaders{ensemble="soak"}': len(leaders)}
    if len(leaders) != 1:
        return lines
    _, followers, voters = state[leaders[0]]
    majority = len(voters) // 2 + 1
    voting = [member for number, member in enumerate(members, 1) if str(number) in voters]
    answering = 1 + sum(state[member][0] == "follower" for member in voting)
    # The leader's count is sufficient for a majority, even if some followers were not queried in time.
    synced = min(1 + followers, max(answering, majority))
    lines.update({
        'zk_ensemble_voters{ensemble="soak"}': len(voters),
        'zk_ensemble_has_quorum{ensemble="soak"}': int(1 + followers >= majority),
        'zk_ensemble_voters_synced{ensemble="soak"}': synced,
        'zk_ensemble_quorum_margin{ensemble="soak"}': synced - majority,
    })
    return lines


class Process:
    """Samples memory, file descriptors and threads of the exporter."""

    def __init__(self, pid, every=2.0):
        self.pid, self.samples = pid, []
        self.ended = threading.Event()
        threading.Thread(target=self._sample, args=(every,), daemon=True).start()

    def _sample(self, every):
        while not self.ended.is_set():
            try:
                with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as file:
                    status = file.read()
                descriptors = len(os.listdir(f"/proc/{self.pid}/fd"))
            except OSError:
                return
            figure = lambda name: int(re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE)[1])  # noqa: E731
            self.samples.append((figure("VmRSS") / 1024, descriptors, figure("Threads")))
            self.ended.wait(every)


class Rude:
    """Clients that disconnect early: during the request, before or during the response, with and without a reset."""

    def __init__(self, port, every=0.5):
        self.port, self.count = port, 0
        self.ended = threading.Event()
        threading.Thread(target=self._run, args=(every,), daemon=True).start()

    def _run(self, every):
        while not self.ended.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as stream:
                    how = random.randrange(4)
                    stream.sendall(b"GET /metrics HT" if how == 0 else b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                    if how >= 2:
                        stream.recv(100)
                    if how == 3:
                        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.count += 1
            except OSError:
                pass
            self.ended.wait(every)


def page(port):
    """A page as a dict of series, with the times of request and response."""
    begun = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics", headers={"X-Prometheus-Scrape-Timeout-Seconds": "4"})
    text = connection.getresponse().read().decode()
    connection.close()
    series = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            series[name] = float(value)
    return begun, time.monotonic(), series
