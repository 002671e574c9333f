"""Deterministic histories of ZooKeeper ensembles, as an exporter would have reported them every minute.

`short()` is for the gate: five hours, with a peak every 100 minutes. `month()` has 30 days with a peak a day; all incidents are in
its last third. `fleet()` has many ensembles with a peak a day.
"""

import json
import math
import random
from array import array

MINUTE = 60
DAY = 1440
# A midnight that is a multiple of 18 hours since 1970, the length of the blocks that promtool writes.
START = 1_767_484_800
BLOCK = 18 * 3600

NOISE = random.Random(31)
TABLE = [NOISE.uniform(-1, 1) for _ in range(8191)]


class Fault:
    """What goes wrong with some members from one minute to another; it grows over `ramp` minutes."""

    def __init__(self, kind, start, minutes, members=(), ramp=0):
        self.kind, self.start, self.end, self.members, self.ramp = kind, start, start + minutes, members, ramp

    def strength(self, minute):
        if not self.start <= minute < self.end:
            return 0.0
        return min(1.0, (minute - self.start + 1) / self.ramp) if self.ramp else 1.0


class Exporter:
    """An exporter of one ensemble, scraped `offset` seconds after each minute. `gone`: minutes without any sample; `failed`: those with `up` 0 only."""

    def __init__(self, instance, offset, gone=(), failed=(), blind=()):
        self.labels = {"job": "zookeeper", "instance": instance}
        self.offset, self.gone, self.failed = offset, list(gone), list(failed)
        # Member number, and the minutes in which this exporter does not reach it.
        self.blind = list(blind)


class Ensemble:
    def __init__(self, name, exporters, base, peak, period=DAY, width=240, faults=(), members=3):
        self.name, self.exporters, self.base, self.peak = name, exporters, base, peak
        self.period, self.width, self.faults, self.members = period, width, list(faults), members
        self.seed = random.Random(name).randrange(8191)

    def load(self, minute):
        at = minute % self.period - self.period // 2
        if abs(at) * 2 >= self.width:
            return self.base
        height = self.peak * (1 + 0.06 * TABLE[(self.seed + minute // self.period) % 8191])
        return self.base + (height - self.base) * math.cos(math.pi * at / self.width) ** 2

    def strength(self, kind, member, minute):
        of = (fault for fault in self.faults if fault.kind == kind and member in fault.members)
        return max((fault.strength(minute) for fault in of), default=0.0)


def within(spans, minute):
    return any(low <= minute < high for low, high in spans)


class History:
    def __init__(self, ensembles, minutes):
        self.ensembles, self.minutes = ensembles, minutes
        self.start, self.end = START, START + minutes * MINUTE
        # Name, labels, times and values of each series; series of one page share their times.
        self.series = []
        for ensemble in ensembles:
            self._ensemble(ensemble)

    def _ensemble(self, ensemble):
        minutes = range(self.minutes)
        numbers = range(1, ensemble.members + 1)
        dead = {number: [ensemble.strength("dead", number, minute) > 0 for minute in minutes] for number in numbers}
        up = [[number for number in numbers if not dead[number][minute]] for minute in minutes]
        majority = ensemble.members // 2 + 1
        leaders, epochs, leader, epoch = [], [], 1, 1
        for alive in up:
            quorum = len(alive) >= majority
            if quorum and leader not in alive:
                leader, epoch = alive[0], epoch + 1
            elif not quorum:
                leader = 0
            leaders.append(leader)
            epochs.append(epoch)
        states = {number: Member(ensemble, number).run(dead[number], leaders, epochs) for number in numbers}
        for exporter in ensemble.exporters:
            self._page(ensemble, exporter, states, up, leaders, epochs)

    def _page(self, ensemble, exporter, states, up, leaders, epochs):
        minutes = range(self.minutes)
        shown = [not within(exporter.gone, m) and not within(exporter.failed, m) for m in minutes]
        times = [START + m * MINUTE + exporter.offset for m in minutes]
        own = exporter.labels
        target = [m for m in minutes if not within(exporter.gone, m)]
        self._add("up", own, times, target, lambda m: float(shown[m]))
        page = [m for m in minutes if shown[m]]
        self._add("zk_exporter_build_info", own, times, page, lambda m: 1.0)
        self._add("zk_exporter_config_last_reload_successful", own, times, page, lambda m: 1.0)
        labels = {**own, "ensemble": ensemble.name}
        self._add("zk_exporter_limited_members", labels, times, page, lambda m: 0.0)
        majority = ensemble.members // 2 + 1
        seen = {
            number: [m for m in page if number in up[m] and not within(spans_of(exporter, number), m)] for number in states
        }
        counts = [0] * self.minutes
        for of in seen.values():
            for m in of:
                counts[m] += 1
        for name, value in {
            "members": lambda m: float(ensemble.members),
            "members_up": lambda m: float(counts[m]),
            "voters": lambda m: float(ensemble.members),
            "voters_serving": lambda m: float(counts[m] if leaders[m] else 0),
            "voters_synced": lambda m: float(counts[m] if leaders[m] else 0),
            "quorum_margin": lambda m: float((counts[m] if leaders[m] else 0) - majority),
            "has_quorum": lambda m: float(leaders[m] > 0),
            "leaders": lambda m: float(leaders[m] > 0),
            "distinct_epochs": lambda m: 1.0,
            "distinct_versions": lambda m: 1.0,
            "distinct_configs": lambda m: 1.0,
            "distinct_quorum_sizes": lambda m: 1.0,
            "foreign_members": lambda m: 0.0,
            "duplicate_members": lambda m: 0.0,
            "voters_not_asked": lambda m: 0.0,
            "zxid_regressed": lambda m: 0.0,
        }.items():
            self._add(f"zk_ensemble_{name}", labels, times, page, value)
        for number, values in states.items():
            of = {**labels, "member": f"{ensemble.name}-{number}:2181"}
            member = seen[number]
            known = set(member)
            self._add("zk_ensemble_leader_info", of, times, [m for m in page if leaders[m] == number], lambda m: 1.0)
            self._add("zk_up", of, times, page, lambda m, known=known: float(m in known))
            self._add("zk_serving", of, times, page, lambda m, known=known: float(m in known and leaders[m] > 0))
            missing = [m for m in page if m not in known]
            self._add("zk_scrape_failure", {**of, "reason": "refused"}, times, missing, lambda m: 1.0)
            self._add("zk_scrape_duration_seconds", of, times, page, lambda m: 0.004)
            shared = array("d", (times[m] for m in member))
            for (name, more), column in values.items():
                self.series.append((name, {**of, **dict(more)}, shared, array("d", (column[m] for m in member))))

    def _add(self, name, labels, times, minutes, value):
        if minutes:
            self.series.append((name, labels, array("d", (times[m] for m in minutes)), array("d", map(value, minutes))))

    def samples(self):
        return sum(len(times) for _, _, times, _ in self.series)

    def openmetrics(self):
        """The text of each block: lines of its samples."""
        for low in range(self.start, self.end, BLOCK):
            yield low, self._block(low, low + BLOCK)

    def _block(self, low, high):
        texts = {}
        for name, labels, times, values in self.series:
            key = id(times)
            if key not in texts:
                first, last = (next((at for at, time in enumerate(times) if time >= edge), len(times)) for edge in (low, high))
                texts[key] = first, last, [f" {int(time)}\n" for time in times[first:last]]
            first, last, ends = texts[key]
            head = f"{name}{{{','.join(f'{label}={json.dumps(value)}' for label, value in labels.items())}}} "
            yield "".join([f"{head}{value!r}{end}" for value, end in zip(values[first:last], ends)])
        yield "# EOF\n"

    def json_lines(self):
        """One line per series, as VictoriaMetrics imports them."""
        for name, labels, times, values in self.series:
            stamps = [int(time) * 1000 for time in times]
            yield json.dumps({"metric": {"__name__": name, **labels}, "values": list(values), "timestamps": stamps}) + "\n"


def spans_of(exporter, number):
    return [span for member, span in exporter.blind if member == number]


class Member:
    """A server: its values at each minute, by name and further labels."""

    def __init__(self, ensemble, number):
        self.ensemble, self.number = ensemble, number
        self.phase = ensemble.seed + number * 977

    def noise(self, minute, kind):
        return TABLE[(self.phase + minute * 13 + kind * 1543) % 8191]

    def run(self, dead, leaders, epochs):
        columns = {}
        total = {}
        restarted = 0
        for minute, is_dead in enumerate(dead):
            if is_dead:
                total, restarted = {}, minute + 1
            for (name, labels), value in self.values(minute, leaders[minute], epochs[minute], minute - restarted, total):
                columns.setdefault((name, labels), []).append(value)
        return columns

    def values(self, minute, leader, epoch, age, total):
        ensemble, number = self.ensemble, self.number
        load = ensemble.load(minute)
        wave = 1 + 0.12 * self.noise(minute, 1)
        fault = lambda kind: ensemble.strength(kind, number, minute)
        fsync = (0.01 + 0.06 * load) * wave + 0.8 * fault("slow_disk")
        write = (0.008 + 0.07 * load * load) * wave + 0.5 * fault("slow_disk")
        read = (0.002 + 0.026 * load * load) * (1 + 0.12 * self.noise(minute, 2))
        queue = float(round((2 + 13 * load * load) * wave + 250 * fault("queue")))
        rate = 600 * (1 + 9 * load)

        def add(name, by):
            total[name] = round(total.get(name, 0.0) + by, 6)
            return total[name]

        gauges = {
            "zk_uptime_seconds": age * 60.0,
            "zk_zxid_epoch": float(epoch),
            "zk_zxid_sequence": 60.0 * minute,
            "zk_zxid_lag": 0.0 if number == leader else float(int(2 + 2 * self.noise(minute, 3))),
            "zk_outstanding_requests": queue,
            "zk_pending_syncs": 0.0,
            "zk_num_alive_connections": float(round(200 * (0.4 + load) + 5 * self.noise(minute, 4))),
            "zk_global_sessions": float(round(600 * (0.4 + load))),
            "zk_ephemerals": float(round(400 + 20 * self.noise(minute // 10, 5))),
            "zk_open_file_descriptors": float(round(300 + 200 * load + 3700 * fault("leak"))),
            "zk_max_file_descriptors": 4096.0,
            "zk_znodes": 50000.0 + minute // 10,
            "zk_watches": float(round(2000 + 1000 * load)),
            "zk_approximate_data_size_bytes": 50e6 + 100.0 * minute,
            "zk_max_proposal_size_bytes": 20000.0,
            "zk_mntr_complete": 1.0,
            "zk_jvm_threads_deadlocked": 0.0,
        }
        for name, value in gauges.items():
            yield (name, ()), value
        heap = (("area", "heap"),)
        yield ("zk_jvm_memory_used_bytes", heap), float(round(1e9 * (0.35 + 0.25 * load + 0.04 * self.noise(minute, 6))))
        yield ("zk_jvm_memory_max_bytes", heap), 1e9
        for state in ("leader", "follower", "observer", "read-only"):
            is_state = leader > 0 and state == ("leader" if number == leader else "follower")
            yield ("zk_server_state", (("state", state),)), float(is_state)
        counters = {
            "zk_fsynctime_seconds_count": rate / 2,
            "zk_fsynctime_seconds_sum": rate / 2 * fsync,
            "zk_updatelatency_seconds_count": rate,
            "zk_updatelatency_seconds_sum": rate * write,
            "zk_readlatency_seconds_count": 4 * rate,
            "zk_readlatency_seconds_sum": 4 * rate * read,
            "zk_jvm_pause_time_seconds_sum": 60 * 0.004 * (1 + load) * wave,
            "zk_received_bytes_total": 1e5 * rate,
            "zk_snaps_total": float(minute % 360 == 30 * number),
            "zk_snapshottime_seconds_count": float(minute % 360 == 30 * number),
            "zk_snapshottime_seconds_sum": 1.5 * (minute % 360 == 30 * number),
            "zk_stale_sessions_expired_total": float(minute % 7 == 0),
            "zk_election_time_seconds_count": float(age == 0),
            "zk_unavailable_time_seconds_sum": 60.0 * (leader == 0),
            "zk_connection_rejected_total": 2.0 * (fault("queue") > 0.9),
            "zk_throttled_ops_total": float(fault("queue") > 0.95),
        }
        for name, by in counters.items():
            yield (name, ()), add(name, by)
        for name in ("stale_requests_dropped", "large_requests_rejected", "unrecoverable_errors", "auth_failed",
                     "ensemble_auth_fail", "unsuccessful_handshake", "digest_mismatches"):
            yield (f"zk_{name}_total", ()), 0.0
        collector = (("gc", "G1 Young Generation"),)
        yield ("zk_jvm_gc_collection_seconds_sum", collector), add("gc", 60 * 0.01 * (1 + 2 * load) * wave)


def three(period, width, absent, outage, incidents, recovered):
    """The ensembles calm, busy and sick.

    `absent`: minutes without the exporter of calm; `outage`: of a dead member of busy; `recovered`: without the exporter of
    sick, right after a recovery.
    """
    low, high = outage
    third = (high - low) // 3
    calm = Ensemble("calm", [Exporter("calm:9141", 10, gone=[absent])], 0.02, 0.1, period, width)
    busy = Ensemble(
        "busy",
        [
            Exporter("busy-a:9141", 20, gone=[(low + third, low + 2 * third)], blind=[(3, (high + 30, high + 65))]),
            Exporter("busy-b:9141", 40, gone=[(low + third, low + third + 6)], failed=[(low + third + 6, low + 2 * third)]),
        ],
        0.2, 0.92, period, width, [Fault("dead", low, high - low, [2])],
    )
    sick = Ensemble("sick", [Exporter("sick:9141", 20, gone=[recovered])], 0.1, 0.45, period, width, incidents)
    return [calm, busy, sick]


def short():
    incidents = [
        Fault("slow_disk", 20, 40, [1], ramp=30),
        Fault("dead", 75, 20, [2]),
        Fault("dead", 115, 15, [2, 3]),
        Fault("queue", 150, 45, [1], ramp=35),
        Fault("leak", 160, 130, [3], ramp=120),
    ]
    return History(three(100, 50, (105, 125), (140, 185), incidents, (97, 110)), 300)


def month(days=30):
    """All incidents are in the last third; the first two are for fitting limits."""
    last = days * 2 // 3

    def at(tenth, hour):
        return (last * 24 + (days - last) * 24 * tenth // 10 + hour) * 60

    incidents = [
        Fault("slow_disk", at(0, 1), 240, [1], ramp=180),
        Fault("dead", at(2, 2), 90, [2]),
        Fault("dead", at(4, 2), 20, [2, 3]),
        Fault("queue", at(6, 2), 180, [1], ramp=150),
        Fault("leak", at(8, 0), 600, [3], ramp=560),
    ]
    absent, outage = (5 * DAY + 120, 5 * DAY + 240), (3 * DAY + 120, 3 * DAY + 180)
    recovered = (at(2, 3) + 32, at(2, 3) + 45)
    return History(three(DAY, 240, absent, outage, incidents, recovered), days * DAY)


def fleet(count, days, numbers):
    """Some of `count` ensembles, from idle to busy."""
    ensembles = [
        Ensemble(f"e{number:03}", [Exporter(f"e{number:03}:9141", number % 60)], 0.1, 0.3 + 0.7 * number / count)
        for number in numbers
    ]
    return History(ensembles, days * DAY)
