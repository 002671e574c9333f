"""The rule manager of Prometheus, one evaluation after the other: what an alert rule file would have fired.

Recording rules are recorded, `ALERTS` is written and read, and each alert has its state; nothing is derived. That is slow
and easy to compare with the documentation of Prometheus.
"""

from array import array
from bisect import bisect_left

from promql import LOOKBACK, Engine, duration


class Alert:
    __slots__ = ("firing", "since", "fired", "kept")

    def __init__(self, since):
        self.firing, self.since, self.fired, self.kept = False, since, None, None


class Rule:
    def __init__(self, engine, rule, interval):
        self.alert, self.record = rule.get("alert"), rule.get("record")
        self.labels = {name: str(value) for name, value in rule.get("labels", {}).items()}
        self.hold, self.keep = duration(str(rule.get("for", "0s"))), duration(str(rule.get("keep_firing_for", "0s")))
        self.node = engine.compile(rule["expr"])
        self.interval = interval
        self.before = set()
        self.active = {}
        self.firings = []

    def outputs(self, result, moment):
        """The samples that the rule writes: name, labels and value."""
        if self.record:
            return [(self.record, self.labelled(labels), value) for labels, value in result.items()]
        for labels in result:
            self.active.setdefault(labels, Alert(moment)).kept = None
        for labels, alert in list(self.active.items()):
            if labels not in result:
                if alert.firing and self.keep:
                    alert.kept = moment if alert.kept is None else alert.kept
                if alert.kept is None or moment - alert.kept >= self.keep:
                    if alert.firing:
                        self.firings.append((labels, alert.fired, moment, False))
                    del self.active[labels]
                    continue
            if not alert.firing and moment - alert.since >= self.hold:
                alert.firing, alert.fired = True, moment
        found = []
        for labels, alert in self.active.items():
            own = self.labelled(labels, alertname=self.alert)
            found.append(("ALERTS_FOR_STATE", own, float(alert.since)))
            state = "firing" if alert.firing else "pending"
            found.append(("ALERTS", self.labelled(labels, alertname=self.alert, alertstate=state), 1.0))
        return found

    def labelled(self, labels, **more):
        return tuple(sorted({**dict(labels), **self.labels, **more}.items()))


def evaluate(groups, store, start, end, step, progress=lambda _: None):
    """The firings of all alerts: name, severity, labels, start, end, and whether it still fires at the end."""
    engine = Engine(store)
    rules = []
    for group in groups:
        interval = max(duration(group["interval"]) if "interval" in group else step, step)
        rules += [Rule(engine, rule, interval) for rule in group["rules"] if rule.get("alert") != "ZooKeeperWatchdog"]
    written = {name for rule in rules for name in ([rule.record] if rule.record else ["ALERTS", "ALERTS_FOR_STATE"])}
    moment = start
    while moment <= end:
        engine.begin()
        for rule in rules:
            if moment % rule.interval:
                continue
            outputs = rule.outputs(engine.eval(rule.node, moment), moment)
            now = set()
            for name, labels, value in outputs:
                series = store.series(name, labels)
                series.times.append(moment)
                series.values.append(value)
                now.add((name, labels))
            for name, labels in rule.before - now:
                store.series(name, labels).ended.append(moment)
            for name in {name for name, _ in now | rule.before}:
                engine.written(name)
            rule.before = now
        if moment % 7200 == 0:
            for name in written:
                forget(store, name, moment - engine.reach.get(name, LOOKBACK) - 7200)
            progress(moment)
        moment += step
    firings = []
    for rule in rules:
        if rule.alert:
            still = [(labels, alert.fired, end + step, True) for labels, alert in rule.active.items() if alert.firing]
            firings += [(rule.alert, rule.labels["severity"], *one) for one in rule.firings + still]
    return sorted(firings)


def forget(store, name, before):
    """Drops recorded samples that no expression looks back for."""
    for series in store.names.get(name, {}).values():
        count = bisect_left(series.times, before)
        if count:
            series.times, series.values = array("d", series.times[count:]), array("d", series.values[count:])
        series.ended = [time for time in series.ended if time >= before]

