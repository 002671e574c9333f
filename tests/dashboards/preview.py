"""Renders a dashboard from the results of its queries as HTML and SVG, and as PNG with a headless Chromium.

This is a preview, not Grafana: it reads the same JSON (positions, units, thresholds, mappings, overrides,
transformations) and draws a simplified version of what Grafana would show.
"""

import html
import math
import os
import re
import subprocess
import tempfile
import time

from values import PALETTE, by_threshold, colour, legend, mapped, written

WIDTH, CELL, GAP = 1400, 38, 8
COLUMN = WIDTH / 24

# Values of the variables for dashboards about one ensemble or member.
VARIABLES = {
    "zookeeper-overview": lambda stage: {"ensemble": "prod"},
    "zookeeper-member": lambda stage: {"ensemble": "prod", "member": stage.slow},
    "zookeeper-latency": lambda stage: {"ensemble": "prod"},
    "zookeeper-jvm": lambda stage: {"ensemble": "prod|search"},
    "zookeeper-compare": lambda stage: {"ensemble": "prod"},
}

STYLE = f"""
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: #111217; color: #ccccdc; font: 12px 'DejaVu Sans', sans-serif; width: {WIDTH}px; }}
.bar {{ height: 44px; padding: 12px 14px; font-size: 15px; }}
.bar small {{ color: #8e8e99; font-size: 11px; margin-left: 14px; }}
.board {{ position: relative; }}
.row {{ position: absolute; padding: 12px 8px 0; font-size: 14px; font-weight: bold; }}
.panel {{ position: absolute; background: #181b1f; border: 1px solid #25272c; border-radius: 2px; overflow: hidden; }}
.title {{ padding: 5px 8px 0; font-size: 12px; font-weight: bold; white-space: nowrap; }}
.stats {{ display: flex; gap: 4px; height: calc(100% - 26px); padding: 4px; flex-wrap: wrap; }}
.stat {{ flex: 1 1 auto; display: flex; flex-direction: column; align-items: center; justify-content: center;
  border-radius: 2px; min-width: 60px; text-align: center; }}
.stat b {{ font-size: 24px; }} .stat.many b {{ font-size: 15px; }} .stat span {{ font-size: 10px; }}
.empty {{ padding: 18px 12px; color: #8e8e99; text-align: center; }}
table {{ border-collapse: collapse; width: 100%; margin-top: 4px; font-size: 11px; }}
th {{ text-align: left; color: #6e9fff; font-weight: normal; padding: 2px 8px; }}
td {{ padding: 3px 8px; border-top: 1px solid #25272c; white-space: nowrap; }}
.gauge {{ background: #2a2d33; height: 10px; width: 90px; display: inline-block; margin-right: 6px; }}
.gauge i {{ display: block; height: 10px; }}
.legend {{ padding: 0 8px; font-size: 10px; color: #b0b1b8; line-height: 14px; }}
.legend i {{ display: inline-block; width: 10px; height: 3px; margin: 0 4px 3px 8px; }}
"""


def esc(text):
    return html.escape(str(text))


def ink(fill):
    """A text colour that is readable on this background."""
    return "#ffffff" if fill == colour("dark-red") else "#ccccdc" if fill == "transparent" else "#111217"


# --- configuration of panels ------------------------------------------------------------------------


def properties(panel, name, ref):
    """The overrides that apply to a series or a column."""
    found = {}
    for override in panel["fieldConfig"]["overrides"]:
        kind, options = override["matcher"]["id"], override["matcher"]["options"]
        fits = (kind == "byName" and options == name) or (kind == "byFrameRefID" and options == ref) or (
            kind == "byRegexp" and re.search(options.strip("/"), name))
        if fits:
            found.update({item["id"]: item["value"] for item in override["properties"]})
    return found


def series_of(panel, answers):
    """Name, refId, labels and points of every series that has a finite number."""
    found = []
    for answer in answers:
        for series in answer.result:
            points = series.get("values") or [series["value"]]
            points = [(float(when), float(value)) for when, value in points]
            if any(math.isfinite(value) for _, value in points):
                found.append((legend(answer.target, series["metric"]), answer.target["refId"], series["metric"], points))
    return found


def table_of(panel, answers):
    """Headings and rows after `merge` and `organize`; cells are in the order of the headings."""
    single = len(panel["targets"]) == 1
    labels, rows = [], []
    for answer in answers:
        column = "Value" if single else f"Value #{answer.target['refId']}"
        for series in answer.result:
            labels += [label for label in series["metric"] if label not in labels and label != "__name__"]
            cell = float(series["value"][1])
            key = {label: value for label, value in series["metric"].items() if label != "__name__"}
            for row in rows:
                if row["key"] == key and column not in row["cells"]:
                    row["cells"][column] = cell
                    break
            else:
                rows.append({"key": key, "cells": {column: cell}})
    options = next(step["options"] for step in panel["transformations"] if step["id"] == "organize")
    columns = [name for name in sorted(options["indexByName"], key=options["indexByName"].get)
               if name not in options["excludeByName"]]
    names = [options["renameByName"].get(name, name) for name in columns]
    body = [[row["key"].get(name, row["cells"].get(name)) for name in columns] for row in rows]
    for sort in panel["options"].get("sortBy", []):
        place = names.index(sort["displayName"])
        empty = [row for row in body if row[place] is None]
        full = sorted((row for row in body if row[place] is not None), key=lambda row: row[place], reverse=sort["desc"])
        body = full + empty
    return names, body


def faults(dashboard, by_panel):
    """Problems for a reader: ambiguous series names, missing descriptions, unknown units."""
    found = []
    for panel in dashboard["panels"]:
        if panel["type"] in ("row", "table"):
            continue
        names = [name for name, _, _, _ in series_of(panel, by_panel[panel["id"]])]
        unit = panel["fieldConfig"]["defaults"]["unit"]
        written(1.0, unit)
        # With several ensembles on one dashboard, members may share a name only if they share an address.
        for name in {name for name in names if names.count(name) > 1}:
            found.append(f"{panel['title']!r}: {names.count(name)} series are called {name!r}")
        if any(not name.strip() for name in names):
            found.append(f"{panel['title']!r}: a series without a name")
    return found


# --- kinds of panel --------------------------------------------------------------------------------


def empty(panel):
    return f'<div class="empty">{esc(panel["fieldConfig"]["defaults"]["noValue"])}</div>'


def draw_stat(panel, answers):
    found = series_of(panel, answers)
    if not found:
        return empty(panel)
    defaults, options = panel["fieldConfig"]["defaults"], panel["options"]
    boxes = []
    for name, _, _, points in found:
        value = points[-1][1]
        word = mapped(value, defaults.get("mappings"))
        text = name if options["textMode"] == "name" else word[0] if word else written(value, defaults["unit"])
        fill = (word[1] if word else by_threshold(value, defaults["thresholds"])) if options["colorMode"] == "background" else ""
        style = f"background:{fill};color:{ink(fill)}" if fill else ""
        below = f"<span>{esc(name)}</span>" if options["textMode"] == "value_and_name" else ""
        many = " many" if len(found) > 2 or len(text) > 12 else ""
        boxes.append(f'<div class="stat{many}" style="{style}"><b>{esc(text)}</b>{below}</div>')
    return f'<div class="stats">{"".join(boxes)}</div>'


def draw_table(panel, answers):
    names, body = table_of(panel, answers)
    if not body:
        return empty(panel)
    rows = []
    fitting = int((panel["gridPos"]["h"] * CELL - GAP - 54) / 21)
    for row in body[:fitting]:
        cells = []
        for name, value in zip(names, row):
            own = properties(panel, name, "")
            look = own.get("custom.cellOptions", {}).get("type", "auto")
            if value is None:
                cells.append("<td></td>")
                continue
            word = mapped(value, own.get("mappings"))
            if isinstance(value, str):
                style = f"color:{word[1]}" if word else ""
                if "links" in own:
                    style = "color:#6e9fff"
                cells.append(f'<td style="{style}">{esc(value)}</td>')
                continue
            text = word[0] if word else written(value, own.get("unit", "short"))
            fill = word[1] if word else by_threshold(value, own["thresholds"]) if "thresholds" in own else ""
            if look == "gauge":
                part = max(0, min(100, 100 * value))
                cells.append(f'<td><span class="gauge"><i style="width:{part}%;background:{fill}"></i></span>'
                             f'<span style="color:{fill}">{esc(text)}</span></td>')
            elif look == "color-background":
                cells.append(f'<td style="background:{fill};color:{ink(fill)}">{esc(text)}</td>')
            else:
                cells.append(f"<td>{esc(text)}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    head = "".join(f"<th>{esc(name)}</th>" for name in names)
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def placing(scale, low, high):
    """A function that maps values to 0..1, and the ticks of the axis."""
    if scale["type"] == "log":
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        last = max(last, first + 1)
        ticks = [10.0 ** power for power in range(first, last + 1)]
        ticks = ticks[:: max(1, math.ceil(len(ticks) / 6))]
        return (lambda value: (math.log10(max(value, 10.0 ** first)) - first) / (last - first)), ticks
    if scale["type"] == "symlog":
        def warp(value):
            return math.copysign(math.log10(1 + abs(value)), value)
        top = max(warp(high), 0.3)
        powers = range(0, math.ceil(top) + 1)
        ticks = [0.0] + [10.0 ** power for power in powers if warp(10.0 ** power) <= top * 1.02]
        ticks = ticks[:: max(1, math.ceil(len(ticks) / 6))]
        return (lambda value: warp(max(value, 0)) / (top * 1.05)), ticks
    span = (high - low) or 1
    step = 10 ** math.floor(math.log10(span / 4))
    step = next(step * factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 5)
    first = math.ceil(low / step) * step
    ticks = [first + number * step for number in range(int((high - first) / step + 1e-9) + 1)]
    return (lambda value: (value - low) / span), ticks


class Frame:
    """The drawing area of a chart, with time on the horizontal axis."""

    def __init__(self, panel, span, left=58, right=8, below=18):
        self.width = panel["gridPos"]["w"] * COLUMN - GAP - 2
        self.height = panel["gridPos"]["h"] * CELL - GAP - 2 - 24 - 34
        self.left, self.right, self.below = left, self.width - right, self.height - below
        self.start, self.end = span

    def x(self, when):
        return self.left + (when - self.start) / (self.end - self.start) * (self.right - self.left)

    def y(self, part):
        return self.below - part * (self.below - 6)

    def times(self):
        out = []
        for number in range(5):
            when = self.start + (self.end - self.start) * (number + 0.5) / 5
            out.append(f'<text x="{self.x(when):.0f}" y="{self.height - 4:.0f}" fill="#8e8e99" font-size="10" '
                       f'text-anchor="middle">{time.strftime("%H:%M:%S", time.gmtime(when))}</text>')
        return "".join(out)

    def marks(self, marks):
        out = []
        for mark, result in marks.values():
            for series in result:
                whens = [float(when) for when, _ in series["values"]]
                starts = [when for place, when in enumerate(whens) if place == 0 or when - whens[place - 1] > 10]
                for when in starts:
                    out.append(f'<line x1="{self.x(when):.0f}" x2="{self.x(when):.0f}" y1="4" y2="{self.below:.0f}" '
                               f'stroke="{colour(mark["iconColor"])}" stroke-dasharray="3 3" opacity="0.7"/>')
        return "".join(out)

    def svg(self, inside):
        return f'<svg width="{self.width:.0f}" height="{self.height:.0f}">{inside}</svg>'


def draw_timeseries(panel, answers, marks, span):
    found = series_of(panel, answers)
    if not [one for one in found if " limit" not in one[0]]:
        return empty(panel)
    defaults = panel["fieldConfig"]["defaults"]
    own = [properties(panel, name, ref) for name, ref, _, _ in found]
    right = [one.get("custom.axisPlacement") == "right" for one in own]
    frame = Frame(panel, span, right=58 if any(right) else 8)
    out = [frame.times()]
    scales = {}
    for side in {False, True} & set(right):
        values = [value for (_, _, _, points), at in zip(found, right) if at == side for _, value in points if math.isfinite(value)]
        unit = next((one["unit"] for one, at in zip(own, right) if at == side and "unit" in one), defaults["unit"])
        scale = {"type": "linear"} if side else defaults["custom"]["scaleDistribution"]
        if scale["type"] == "log":
            values = [value for value in values if value > 0] or [1.0]
        low = min(values) if side or defaults.get("min") is None else defaults["min"]
        high = max(values) if side or defaults.get("max") is None else max(defaults["max"], max(values))
        low = 0 if side else low
        high = high * 1.08 if scale["type"] == "linear" and (side or defaults.get("max") is None) else high
        place, ticks = placing(scale, low, high if high > low else low + 1)
        scales[side] = place
        for tick in ticks:
            y = frame.y(place(tick))
            if not side:
                out.append(f'<line x1="{frame.left}" x2="{frame.right:.0f}" y1="{y:.1f}" y2="{y:.1f}" stroke="#25272c"/>')
            x, anchor = (frame.right + 4, "start") if side else (frame.left - 5, "end")
            out.append(f'<text x="{x:.0f}" y="{y + 3:.1f}" fill="#8e8e99" font-size="10" text-anchor="{anchor}">'
                       f"{esc(written(tick, unit))}</text>")
    out.append(frame.marks(marks))
    names = []
    number = 0
    for (name, _, _, points), one, side in zip(found, own, right):
        if "color" in one:
            stroke = colour(one["color"]["fixedColor"])
        else:
            stroke = PALETTE[number % len(PALETTE)]
            number += 1
        path, last = [], None
        gap = 3.5 * max(1.0, (span[1] - span[0]) / 120)
        for when, value in points:
            if math.isfinite(value) and not (defaults["custom"]["scaleDistribution"]["type"] == "log" and value <= 0 and not side):
                path.append(f"{'L' if last and when - last < gap else 'M'}{frame.x(when):.1f} {frame.y(scales[side](value)):.1f}")
                last = when
        style = one.get("custom.lineStyle", {}).get("dash")
        dash = f' stroke-dasharray="{style[0]} {style[1]}"' if style else ""
        out.append(f'<path d="{" ".join(path)}" fill="none" stroke="{stroke}" stroke-width="1.4"{dash}/>')
        names.append(f'<i style="background:{stroke}"></i>{esc(name)}')
    shown = names[:6] + ([f" + {len(names) - 6} more"] if len(names) > 6 else [])
    return frame.svg("".join(out)) + f'<div class="legend">{"".join(shown)}</div>'


def draw_lanes(panel, answers, marks, span):
    """State timeline and status history, with one lane per series."""
    found = series_of(panel, answers)
    if not found:
        return empty(panel)
    defaults = panel["fieldConfig"]["defaults"]
    frame = Frame(panel, span, left=min(300, 12 + 6.2 * max(len(name) for name, _, _, _ in found)))
    fitting = found[: max(1, int((frame.below - 4) / 13))]
    lane = (frame.below - 4) / len(fitting)
    out, seen = [frame.times()], {}
    for number, (name, _, _, points) in enumerate(sorted(fitting, key=lambda one: one[0])):
        top = 4 + number * lane
        out.append(f'<text x="{frame.left - 6:.0f}" y="{top + lane / 2 + 3:.1f}" fill="#b0b1b8" font-size="10" '
                   f'text-anchor="end">{esc(name)}</text>')
        step = min((b[0] - a[0] for a, b in zip(points, points[1:])), default=5)
        for when, value in points:
            if math.isfinite(value):
                word = mapped(value, defaults.get("mappings"))
                fill = word[1] if word else by_threshold(value, defaults["thresholds"])
                if word:
                    seen[word[0]] = fill
                x = max(frame.left, frame.x(when - step))
                out.append(f'<rect x="{x:.1f}" y="{top + 1:.1f}" width="{max(1.0, frame.x(when) - x + 1.2):.1f}" '
                           f'height="{lane - 2:.1f}" fill="{fill}"/>')
    out.append(frame.marks(marks))
    names = "".join(f'<i style="background:{fill}"></i>{esc(word)}' for word, fill in seen.items())
    return frame.svg("".join(out)) + f'<div class="legend">{names}</div>'


def draw_heatmap(panel, answers, span):
    """Classic buckets over time, converted from cumulative to individual counts; brighter means a higher count."""
    found = sorted((one for one in series_of(panel, answers) if "le" in one[2]), key=lambda one: float(one[2]["le"]))
    if not found:
        return empty(panel)
    frame = Frame(panel, span)
    rows, below = [], {}
    for name, _, _, points in found:
        rows.append((name, [(when, max(0.0, value - below.get(when, 0.0))) for when, value in points]))
        below = dict(points)
    most = max((value for _, points in rows for _, value in points), default=0) or 1
    out, height = [frame.times()], (frame.below - 4) / len(rows)
    for number, (name, points) in enumerate(rows):
        top = frame.below - (number + 1) * height
        out.append(f'<text x="{frame.left - 6:.0f}" y="{top + height / 2 + 3:.1f}" fill="#b0b1b8" font-size="10" '
                   f'text-anchor="end">{esc(name)}</text>')
        step = min((b[0] - a[0] for a, b in zip(points, points[1:])), default=5)
        for when, value in points:
            if value > 0:
                x = max(frame.left, frame.x(when - step))
                out.append(f'<rect x="{x:.1f}" y="{top + 1:.1f}" width="{max(1.0, frame.x(when) - x + 0.5):.1f}" '
                           f'height="{height - 2:.1f}" fill="#ff9830" opacity="{0.15 + 0.85 * (value / most) ** 0.5:.2f}"/>')
    return frame.svg("".join(out))


def draw_bars(panel, answers):
    found = sorted(series_of(panel, answers), key=lambda one: -one[3][-1][1])
    if not found:
        return empty(panel)
    defaults = panel["fieldConfig"]["defaults"]
    most = defaults.get("max") or max(points[-1][1] for _, _, _, points in found) or 1
    rows = []
    for name, _, _, points in found[: int((panel["gridPos"]["h"] * CELL - 40) / 30)]:
        value = points[-1][1]
        fill = by_threshold(value, defaults["thresholds"])
        fill = "#5794f2" if fill == colour("text") else fill
        rows.append(f'<div style="padding:2px 8px;font-size:10px">{esc(name)} <b style="float:right;color:{fill}">'
                    f'{esc(written(value, defaults["unit"]))}</b><div style="background:#2a2d33;height:9px">'
                    f'<div style="background:{fill};height:9px;width:{max(0.5, 100 * value / most):.1f}%"></div></div></div>')
    return "".join(rows)


def draw_panel(panel, answers, marks, span):
    kind = panel["type"]
    if kind == "stat":
        return draw_stat(panel, answers)
    if kind == "table":
        return draw_table(panel, answers)
    if kind == "timeseries":
        return draw_timeseries(panel, answers, marks, span)
    if kind in ("state-timeline", "status-history"):
        return draw_lanes(panel, answers, marks, span)
    if kind == "heatmap":
        return draw_heatmap(panel, answers, span)
    if kind == "bargauge":
        return draw_bars(panel, answers)
    raise ValueError(f"the preview does not know the panel {kind}")


# --- the whole page ----------------------------------------------------------------------------------


def page(dashboard, by_panel, marks, span):
    parts, bottom = [], 0
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        box = (f"left:{place['x'] * COLUMN + GAP / 2:.0f}px;top:{place['y'] * CELL}px;"
               f"width:{place['w'] * COLUMN - GAP:.0f}px;height:{place['h'] * CELL - GAP}px")
        bottom = max(bottom, (place["y"] + place["h"]) * CELL)
        if panel["type"] == "row":
            parts.append(f'<div class="row" style="{box}">⌄ {esc(panel["title"])}</div>')
        else:
            inside = draw_panel(panel, by_panel[panel["id"]], marks, span)
            parts.append(f'<div class="panel" style="{box}"><div class="title">{esc(panel["title"])}</div>{inside}</div>')
    head = (f'<div class="bar">{esc(dashboard["title"])}<small>preview drawn from real data by tests/dashboards/preview.py, '
            "not a screenshot of Grafana</small></div>")
    text = (f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style>{head}'
            f'<div class="board" style="height:{bottom}px">{"".join(parts)}</div>')
    return text, bottom + 44


def draw(dashboard, by_panel, marks, span, path):
    """Writes the image as a PNG with a reduced palette."""
    text, height = page(dashboard, by_panel, marks, span)
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        source, raw = os.path.join(folder, "page.html"), os.path.join(folder, "raw.png")
        with open(source, "w", encoding="utf-8") as file:
            file.write(text)
        subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                        f"--user-data-dir={folder}/profile", f"--window-size={WIDTH},{height}", f"--screenshot={raw}",
                        f"file://{source}"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
        subprocess.run(["pngquant", "--force", "--speed", "1", "--nofs", "--output", path, "48", raw], check=True)
