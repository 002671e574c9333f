"""An evaluator of the subset of PromQL that alert rules use, one moment at a time.

It shares no code with the exporter and with Prometheus: it is the reference that the replay of `rules backtest` is
compared with. Windows are those of Prometheus 3: the left boundary does not belong to them.
"""

import math
import re
from array import array
from bisect import bisect_left, bisect_right

LOOKBACK = 300
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
AGGREGATIONS = {"max", "min", "sum", "avg", "count", "group"}
# Weaker operators first.
LEVELS = [{"or"}, {"and", "unless"}, {"==", "!=", "<=", "<", ">=", ">"}, {"+", "-"}, {"*", "/", "%"}]
TOKEN = re.compile(
    r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<duration>(?:[0-9]+(?:ms|[smhdw]))+(?![a-zA-Z0-9_]))'
    r"|(?P<number>[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)|(?P<word>[a-zA-Z_:][a-zA-Z0-9_:]*)"
    r"|(?P<sign>==|!=|<=|>=|=~|!~|[-+*/%<>=(){}\[\],]))"
)


def duration(text):
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([0-9]+)(ms|[smhdw])", text))


def tokens(text):
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise ValueError(f"no token at `{text[at : at + 40]}`")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found + [("end", "")]


class Series:
    """The samples of one series, and the times at which it was marked as ended."""

    __slots__ = ("times", "values", "ended")

    def __init__(self, times=None, values=None):
        self.times = array("d") if times is None else times
        self.values = array("d") if values is None else values
        self.ended = []

    def at(self, moment):
        """The newest value that is not older than five minutes."""
        place = bisect_right(self.times, moment) - 1
        if place < 0 or self.times[place] <= moment - LOOKBACK:
            return None
        if self.ended and bisect_right(self.ended, moment) > bisect_left(self.ended, self.times[place]):
            return None
        return self.values[place]


class Store:
    """Series by name and labels; labels are sorted pairs without the name."""

    def __init__(self):
        self.names = {}

    def series(self, name, labels):
        return self.names.setdefault(name, {}).setdefault(labels, Series())


class Node:
    """A part of an expression. `run` evaluates it at a moment, to a number or to values by labels."""

    __slots__ = ("text", "names", "run")

    def __init__(self, text, names, run):
        self.text, self.names, self.run = text, names, run


class Engine:
    """Compiles expressions. A part that occurs in several rules is evaluated once per moment."""

    def __init__(self, store):
        self.store = store
        self.nodes = {}
        self.readers = {}
        self.cache = {}
        self.keys = {}
        self.matchers = {}
        # The longest time that an expression looks back for a name.
        self.reach = {}

    def begin(self):
        self.cache.clear()

    def written(self, name):
        """Forgets what was computed from a series that has just been recorded."""
        for text in self.readers.get(name, ()):
            self.cache.pop(text, None)

    def eval(self, node, moment):
        found = self.cache.get(node.text)
        if found is None:
            found = self.cache[node.text] = node.run(moment)
        return found

    def node(self, text, names, run):
        if text not in self.nodes:
            self.nodes[text] = Node(text, frozenset(names), run)
            for name in names:
                self.readers.setdefault(name, []).append(text)
        return self.nodes[text]

    def compile(self, text):
        parser = Parser(self, tokens(text))
        node = parser.binary(0)
        if parser.peek() != ("end", ""):
            raise ValueError(f"`{parser.peek()[1]}` is left of `{text}`")
        return node

    def grouped(self, labels, by):
        """The labels of a group: those named, or all but those named."""
        key = (labels, by)
        found = self.keys.get(key)
        if found is None:
            kind, names = by
            keep = (lambda name: name in names) if kind else (lambda name: name not in names)
            found = self.keys[key] = tuple(pair for pair in labels if keep(pair[0]))
        return found


class Parser:
    def __init__(self, engine, found):
        self.engine, self.tokens, self.place = engine, found, 0

    def peek(self):
        return self.tokens[self.place]

    def next(self):
        self.place += 1
        return self.tokens[self.place - 1]

    def take(self, text):
        if self.peek()[1] == text and self.peek()[0] != "text":
            self.place += 1
            return True
        return False

    def expect(self, text):
        if not self.take(text):
            raise ValueError(f"`{text}` is expected before `{self.peek()[1]}`")

    def names(self):
        self.expect("(")
        found = []
        while not self.take(")"):
            found.append(self.next()[1])
            self.take(",")
        return frozenset(found)

    def binary(self, level):
        if level == len(LEVELS):
            return self.unary()
        left = self.binary(level + 1)
        while self.peek()[1] in LEVELS[level] and self.peek()[0] in ("word", "sign"):
            op = self.next()[1]
            as_bool = self.take("bool")
            by = (False, frozenset())
            if self.take("on"):
                by = (True, self.names())
            elif self.take("ignoring"):
                by = (False, self.names())
            if self.peek()[1] in ("group_left", "group_right"):
                raise ValueError("many-to-one matching is not supported")
            left = combined(self.engine, op, as_bool, by, left, self.binary(level + 1))
        return left

    def unary(self):
        if self.take("-"):
            return combined(self.engine, "*", False, (False, frozenset()), number(self.engine, -1.0), self.unary())
        return self.primary()

    def primary(self):
        kind, text = self.next()
        if kind == "number":
            return number(self.engine, float(text))
        if text == "(":
            inner = self.binary(0)
            self.expect(")")
            return inner
        if kind != "word":
            raise ValueError(f"`{text}` begins no expression")
        if text in AGGREGATIONS:
            by = (True, frozenset())
            if self.take("by"):
                by = (True, self.names())
            self.expect("(")
            inner = self.binary(0)
            self.expect(")")
            if self.take("by"):
                by = (True, self.names())
            return aggregated(self.engine, text, by, inner)
        if self.peek() == ("sign", "("):
            self.next()
            arguments = []
            while not self.take(")"):
                arguments.append(self.binary(0))
                self.take(",")
            return called(self.engine, text, arguments)
        return self.selector(text)

    def selector(self, name):
        matchers = []
        if self.take("{"):
            while not self.take("}"):
                label, sign, value = self.next()[1], self.next()[1], self.next()[1]
                matchers.append((label, sign, re.sub(r"\\(.)", r"\1", value[1:-1])))
                self.take(",")
        window, offset = None, 0
        if self.take("["):
            window = duration(self.next()[1])
            self.expect("]")
        if self.take("offset"):
            offset = duration(self.next()[1])
        return selected(self.engine, name, matchers, window, offset)


def number(engine, value):
    return engine.node(repr(value), (), lambda _: value)


def fits(matchers):
    def one(labels, label, sign, value):
        found = labels.get(label, "")
        if sign in ("=", "!="):
            return (found == value) == (sign == "=")
        return (re.fullmatch(value, found) is not None) == (sign == "=~")

    return lambda labels: all(one(dict(labels), *matcher) for matcher in matchers)


def selected(engine, name, matchers, window, offset):
    """Values of a selector, or the samples of its windows."""
    fit = fits(matchers)
    of_name = engine.store.names.setdefault(name, {})
    engine.reach[name] = max(engine.reach.get(name, 0), (window or LOOKBACK) + offset)
    known = {"count": 0, "series": []}

    def series():
        if known["count"] != len(of_name):
            known["count"] = len(of_name)
            known["series"] = [(labels, one) for labels, one in of_name.items() if fit(labels)]
        return known["series"]

    def values(moment):
        found = {}
        for labels, one in series():
            value = one.at(moment - offset)
            if value is not None:
                found[labels] = value
        return found

    def windows(moment):
        end = moment - offset
        found = {}
        for labels, one in series():
            low, high = bisect_right(one.times, end - window), bisect_right(one.times, end)
            if low < high:
                found[labels] = (one.times, one.values, low, high, end - window, end)
        return found

    text = f"{name}{sorted(matchers)}[{window}]@{offset}"
    engine.matchers[text] = matchers
    return engine.node(text, {name}, values if window is None else windows)


def extrapolated(times, values, low, high, start, end):
    """The increase of a counter, extrapolated to the boundaries of the window as Prometheus does."""
    if high - low < 2:
        return None
    total, before = 0.0, values[low]
    for place in range(low + 1, high):
        value = values[place]
        total += value if value < before else value - before
        before = value
    sampled = times[high - 1] - times[low]
    mean = sampled / (high - low - 1)
    to_start, to_end = times[low] - start, end - times[high - 1]
    if total > 0 and values[low] >= 0:
        to_start = min(to_start, sampled * values[low] / total)
    for edge in (to_start, to_end):
        sampled += edge if edge < mean * 1.1 else mean / 2
    return total * sampled / (times[high - 1] - times[low])


def changes(_, values, low, high, *__):
    return float(sum(values[place] != values[place - 1] for place in range(low + 1, high)))


def resets(_, values, low, high, *__):
    return float(sum(values[place] < values[place - 1] for place in range(low + 1, high)))


def stddev(_, values, low, high, *__):
    part = values[low:high]
    mean = math.fsum(part) / len(part)
    return math.sqrt(sum([(value - mean) ** 2 for value in part]) / len(part))


def quantile(share, part):
    part = sorted(part)
    rank = share * (len(part) - 1)
    below = int(rank)
    return part[below] + (part[min(below + 1, len(part) - 1)] - part[below]) * (rank - below)


def rate(*window):
    total = extrapolated(*window)
    return None if total is None else total / (window[5] - window[4])


OVER_TIME = {
    "increase": extrapolated,
    "rate": rate,
    "changes": changes,
    "resets": resets,
    "stddev_over_time": stddev,
    "min_over_time": lambda _, values, low, high, *__: min(values[low:high]),
    "max_over_time": lambda _, values, low, high, *__: max(values[low:high]),
    "avg_over_time": lambda _, values, low, high, *__: sum(values[low:high]) / (high - low),
    "sum_over_time": lambda _, values, low, high, *__: sum(values[low:high]),
    "last_over_time": lambda _, values, low, high, *__: values[high - 1],
    "count_over_time": lambda _, __, low, high, *___: float(high - low),
    "present_over_time": lambda *_: 1.0,
}
PLAIN = {"exp": lambda value: math.exp(min(value, 709.0)), "ln": math.log, "abs": abs}
CLAMPS = {"clamp_min": max, "clamp_max": min}


def called(engine, name, arguments):
    eval_ = engine.eval
    text = f"{name}({', '.join(one.text for one in arguments)})"
    names = frozenset().union(*(one.names for one in arguments))
    if name == "time":
        return engine.node(text, names, lambda moment: float(moment))
    if name == "vector":
        return engine.node(text, names, lambda moment: {(): eval_(arguments[0], moment)})
    if name == "absent":
        equal = (one for one in engine.matchers.get(arguments[0].text, ()) if one[1] == "=")
        absent = {tuple(sorted((label, value) for label, _, value in equal)): 1.0}
        return engine.node(text, names, lambda moment: {} if eval_(arguments[0], moment) else absent)
    if name in PLAIN:
        function = PLAIN[name]
        return engine.node(
            text, names, lambda moment: {labels: function(value) for labels, value in eval_(arguments[0], moment).items()}
        )
    if name in CLAMPS:
        function = CLAMPS[name]

        def clamped(moment):
            limit = eval_(arguments[1], moment)
            return {labels: function(value, limit) for labels, value in eval_(arguments[0], moment).items()}

        return engine.node(text, names, clamped)
    if name == "quantile_over_time":

        def quantiles(moment):
            share = eval_(arguments[0], moment)
            of = eval_(arguments[1], moment)
            return {labels: quantile(share, values[low:high]) for labels, (_, values, low, high, *__) in of.items()}

        return engine.node(text, names, quantiles)
    function = OVER_TIME[name]

    def over_time(moment):
        found = {}
        for labels, window in eval_(arguments[0], moment).items():
            value = function(*window)
            if value is not None:
                found[labels] = value
        return found

    return engine.node(text, names, over_time)


def aggregated(engine, name, by, inner):
    join = {"max": max, "min": min, "sum": sum, "count": len, "group": lambda _: 1.0, "avg": lambda of: sum(of) / len(of)}[name]

    def run(moment):
        groups = {}
        for labels, value in engine.eval(inner, moment).items():
            groups.setdefault(engine.grouped(labels, by), []).append(value)
        return {labels: float(join(values)) for labels, values in groups.items()}

    return engine.node(f"{name} by {sorted(by[1])} ({inner.text})", inner.names, run)


def divided(left, right):
    if right:
        return left / right
    return math.nan if not left or math.isnan(left) else math.copysign(math.inf, left)


COMPARISONS = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<=": lambda left, right: left <= right,
    "<": lambda left, right: left < right,
    ">=": lambda left, right: left >= right,
    ">": lambda left, right: left > right,
}
ARITHMETIC = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": divided,
}


def combined(engine, op, as_bool, by, left, right):
    names = left.names | right.names
    text = f"({left.text} {op} {as_bool} {by[0]}{sorted(by[1])} {right.text})"
    if op in ("and", "or", "unless"):
        return engine.node(text, names, sets(engine, op, by, left, right))

    def result(one, other):
        """The value of a pair; None if a comparison drops it."""
        if op in ARITHMETIC:
            return ARITHMETIC[op](one, other)
        holds = COMPARISONS[op](one, other)
        return float(holds) if as_bool else (one if holds else None)

    def run(moment):
        ones, others = engine.eval(left, moment), engine.eval(right, moment)
        if isinstance(ones, float) and isinstance(others, float):
            return result(ones, others)
        found = {}
        if isinstance(others, float):
            pairs = ((labels, result(value, others)) for labels, value in ones.items())
        elif isinstance(ones, float):
            pairs = ((labels, result(ones, value)) for labels, value in others.items())
            if op in COMPARISONS and not as_bool:
                # The value of the vector is kept, wherever it stands.
                pairs = ((labels, None if kept is None else others[labels]) for labels, kept in pairs)
        else:
            matched = {}
            for labels, value in others.items():
                key = engine.grouped(labels, by)
                if key in matched:
                    raise ValueError(f"several series match on the right of {text}")
                matched[key] = value
            keyed = ((engine.grouped(labels, by), value) for labels, value in ones.items())
            pairs = ((key, result(value, matched[key])) for key, value in keyed if key in matched)
        for labels, value in pairs:
            if value is not None:
                found[labels] = value
        return found

    return engine.node(text, names, run)


def sets(engine, op, by, left, right):
    def run(moment):
        ones = engine.eval(left, moment)
        if op != "or" and not ones:
            return ones
        others = engine.eval(right, moment)
        if op == "or":
            known = {engine.grouped(labels, by) for labels in ones}
            return ones | {labels: value for labels, value in others.items() if engine.grouped(labels, by) not in known}
        known = {engine.grouped(labels, by) for labels in others}
        return {labels: value for labels, value in ones.items() if (engine.grouped(labels, by) in known) == (op == "and")}

    return run
