#!/usr/bin/env python3
"""Copies Prometheus alert rules with every duration divided, so that one need not wait minutes for an alert.

usage: quick_rules.py FACTOR SHORTEST-RANGE-SECONDS DIRECTORY FILE...

Divides `for:`, `keep_firing_for:`, `interval:`, `offset`, the ranges in [brackets], the age to which ALERTS_FOR_STATE is
compared, and the durations in annotations ("for over 2 minutes" becomes "for over 12 s"); thresholds are kept. A range is not
made shorter than SHORTEST-RANGE-SECONDS, since a rate needs samples. Prints one line for each alert: name, severity and the new
`for` in seconds.
"""

import os
import re
import sys

UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000}
DURATION = r"(?:\d+(?:ms|[smhdwy]))+"
KEY = re.compile(rf"^(\s*(?:- )?(?:for|keep_firing_for|interval):\s*)(['\"]?)({DURATION})\2(?=\s|$)", re.M)
OFFSET = re.compile(rf"(\boffset\s+-?)({DURATION})")
AGE = re.compile(r"(\bALERTS_FOR_STATE\{[^}]*}\)\s*<\s*)(\d+)")
# In annotations; a folded line may break between the number and the unit.
WORDS = re.compile(r"\b(\d+|an)(\s+)(second|minute|hour|day)s?\b|\b(?<=last )hour\b")
RANGE = re.compile(rf"\[({DURATION})(:)?({DURATION})?\]")


def milliseconds(text):
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[smhdwy])", text))


def written(value):
    value = max(1, round(value))
    return f"{value // 1000}s" if value % 1000 == 0 else f"{value}ms"


def spoken(value):
    """A duration in text: `90 s`, `6 min`."""
    seconds = value / 1000
    return f"{seconds / 60:g} min" if seconds >= 120 and seconds % 60 == 0 else f"{seconds:g} s"


def shorten(text, factor, shortest):
    def ranges(match):
        length, colon, step = match.groups()
        if not colon:
            return f"[{written(max(milliseconds(length) / factor, min(shortest, milliseconds(length))))}]"
        return f"[{written(milliseconds(length) / factor)}:{written(max(500, milliseconds(step) / factor)) if step else ''}]"

    def words(match):
        number, space, unit = match[1] or "an", match[2] or " ", match[3] or "hour"
        value = milliseconds(f"{1 if number == 'an' else number}{unit[0]}") / factor
        return spoken(value).replace(" ", space)

    text = WORDS.sub(words, text)
    text = KEY.sub(lambda match: match[1] + written(milliseconds(match[3]) / factor), text)
    text = OFFSET.sub(lambda match: match[1] + written(milliseconds(match[2]) / factor), text)
    text = AGE.sub(lambda match: match[1] + f"{int(match[2]) / factor:g}", text)
    return RANGE.sub(ranges, text)


def alerts(text):
    """Name, severity and `for` of each alert. The files are ours, so their layout is known: no YAML parser is needed."""
    for rule in re.split(r"^\s*- (?=alert:)", text, flags=re.M)[1:]:
        name = re.match(r"alert:\s*(\S+)", rule)
        severity = re.search(r"^\s*severity:\s*(\S+)", rule, re.M)
        wait = re.search(rf"^\s*for:\s*({DURATION})", rule, re.M)
        yield name[1], severity[1] if severity else "-", round(milliseconds(wait[1]) / 1000) if wait else 0


def main():
    if len(sys.argv) < 5:
        sys.exit("usage: quick_rules.py FACTOR SHORTEST-RANGE-SECONDS DIRECTORY FILE...")
    factor, shortest, directory = float(sys.argv[1]), float(sys.argv[2]) * 1000, sys.argv[3]
    for path in sys.argv[4:]:
        with open(path, encoding="utf-8") as file:
            text = shorten(file.read(), factor, shortest)
        with open(os.path.join(directory, os.path.basename(path)), "w", encoding="utf-8") as file:
            file.write(f"# Every duration is divided by {factor:g}.\n{text}")
        for alert in alerts(text):
            print(*alert)


if __name__ == "__main__":
    main()
