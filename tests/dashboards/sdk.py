#!/usr/bin/env python3
"""Round-trips every dashboard through Grafana's own types (PyPI grafana-foundation-sdk): nothing may be lost.

usage: sdk.py        run by the Python of a venv that has the package; exit status 1 if something is lost or changed

A key unknown to the types is dropped and thereby detected: a misspelling, or a key of another Grafana release. Added
defaults are not a loss. This validates names and shapes; it does not test the rendering in Grafana.
"""

import glob
import json
import os
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Keys that Grafana has and this package lacks: path (numbers as *), and description.
UNKNOWN = {
    ".annotations.list.*.step": "the Prometheus data source's own keys of an annotation query",
    ".annotations.list.*.titleFormat": "the same",
    ".annotations.list.*.textFormat": "the same",
    ".annotations.list.*.tagKeys": "the same",
    ".templating.list.*.definition": "what Grafana shows of a variable's query in its list of variables",
}


def losses(path, before, after):
    """Paths in the first document whose value is missing or different in the second."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            here = f"{path}.{key}"
            if key not in after:
                yield here, f"lost {json.dumps(value)[:80]}"
            else:
                yield from losses(here, value, after[key])
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for one, other in zip(before, after):
            yield from losses(f"{path}.*", one, other)
    elif before != after:
        yield path, f"{json.dumps(before)[:60]} became {json.dumps(after)[:60]}"


def round_trip(dashboard):
    return json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))


def main():
    register_default_plugins()
    bad, seen, paths = 0, set(), sorted(glob.glob(os.path.join(ROOT, "dashboards/*.json")))
    for path in paths:
        with open(path, encoding="utf-8") as file:
            dashboard = json.load(file)
        for place, what in losses("", dashboard, round_trip(dashboard)):
            if place in UNKNOWN:
                seen.add(place)
            else:
                bad += 1
                print(f"{os.path.basename(path)}: {place}: {what}")
        # The check must detect misspelled keys.
        for hurt in ('"gridPos"', '"expr"', '"legend"'):
            broken = json.loads(json.dumps(dashboard).replace(hurt, hurt[:-1] + 'z"'))
            if not any(place not in UNKNOWN for place, _ in losses("", broken, round_trip(broken))):
                bad += 1
                print(f"{os.path.basename(path)}: a misspelled {hurt} goes unnoticed")
    for place in set(UNKNOWN) - seen:
        bad += 1
        print(f"{place} is listed as unknown to the types, but is not lost")
    print(f"{len(paths)} dashboards read and written back, {bad} problems")
    sys.exit(1 if bad or not paths else 0)


if __name__ == "__main__":
    main()
