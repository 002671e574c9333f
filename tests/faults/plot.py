#!/usr/bin/env python3
"""Draws one ramp as SVG from the data of a real Prometheus: the indicator, P, W, the risk, and the alerts that fired.

usage: plot.py PROMETHEUS-PORT MEMBER INDICATOR START END NU CRITICAL FILE
"""

import json
import sys
import urllib.parse
import urllib.request

WIDTH, LEFT, RIGHT, PANEL, GAP = 760, 60, 16, 150, 34
# START is this number of seconds before the ramp.
LEAD_IN = 10
COLOURS = {"x": "#1f77b4", "P": "#7f7f7f", "W": "#ff7f0e", "risk": "#d62728"}


def ask(port, query, start, end):
    fields = urllib.parse.urlencode({"query": query, "start": start, "end": end, "step": 1})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query_range?{fields}", timeout=30) as answer:
        return json.load(answer)["data"]["result"]


def runs(fired):
    """Intervals during which each alert fired without interruption: begin, end, series."""
    for one in fired:
        begin = last = None
        for moment, _ in one["values"]:
            if last is not None and moment - last > 2:
                yield begin, last, one
                begin = None
            begin, last = moment if begin is None else begin, moment
        yield begin, last, one


def line(result, to_x, to_y, colour):
    runs, last = [[]], None
    for moment, value in result[0]["values"] if result else []:
        if last is not None and moment - last > 2:
            runs.append([])
        runs[-1].append(f"{to_x(moment):.1f},{to_y(float(value)):.1f}")
        last = moment
    return "".join(f'<polyline points="{" ".join(run)}" fill="none" stroke="{colour}" stroke-width="1.6"/>' for run in runs if run)


def main():
    port, member, indicator, start, end, nu, critical, path = sys.argv[1:]
    start, end, nu, critical = float(start), float(end), float(nu), float(critical)
    of = f'member="{member}",indicator="{indicator}"'
    value = ask(port, f"member:zk_indicator:value{{{of}}}", start, end)
    top = 1.1 * max([critical, *(float(one) for _, one in (value[0]["values"] if value else []))])

    def to_x(moment):
        return LEFT + (moment - start) / (end - start) * (WIDTH - LEFT - RIGHT)

    out, place = [], GAP

    def text(x, y, words, anchor="start", colour="#444"):
        out.append(f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{colour}">{words}</text>')

    def axis(y, words, marks):
        out.append(f'<rect x="{LEFT}" y="{y}" width="{WIDTH - LEFT - RIGHT}" height="{PANEL}" fill="none" stroke="#bbb"/>')
        text(LEFT, y - 8, words)
        for at, name, dashed in marks:
            out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#bbb"{dashed}/>')
            text(LEFT - 5, at + 4, name, "end")

    def scale(largest, y):
        return lambda number: y + PANEL - number / largest * PANEL

    dashed = ' stroke-dasharray="4 3"'
    first = scale(top, place)
    axis(place, f"{indicator}; dashed: warning limit (nu) and critical limit", [
        (first(nu), f"{nu:g}", dashed), (first(critical), f"{critical:g}", dashed)])
    out.append(line(value, to_x, first, COLOURS["x"]))
    place += PANEL + GAP
    second = scale(1.0, place)
    axis(place, "", [(second(0.5), "0.5", dashed), (second(1), "1", ""), (second(0), "0", "")])
    series = {
        "P": f"member:zk_detection:probability{{{of}}}",
        "W": f"member:zk_warning:score{{{of}}}",
        "risk": f'member:zk_risk:noisy_or{{member="{member}"}}',
    }
    words = {"P": "P, how unusual", "W": "W, how near to the limit", "risk": "risk of the member"}
    at = LEFT
    for name, query in series.items():
        found = ask(port, query, start, end)
        if found:
            out.append(line(found, to_x, second, COLOURS[name]))
            text(at, place - 8, words[name], colour=COLOURS[name])
            at += 190
    place += PANEL + GAP
    fired = ask(port, f'ALERTS{{alertstate="firing",member="{member}",severity!="info"}}', start, end)
    text(LEFT, place - 8, "firing")
    for begin, stop, one in sorted(runs(fired), key=lambda run: run[0]):
        colour = COLOURS["risk"] if one["metric"]["severity"] == "critical" else COLOURS["W"]
        out.append(f'<rect x="{to_x(begin):.1f}" y="{place}" width="{max(2, to_x(stop) - to_x(begin)):.1f}" height="14" fill="{colour}"/>')
        name = f'{one["metric"]["alertname"].removeprefix("ZooKeeper")} ({one["metric"]["severity"]}) after {begin - start - LEAD_IN:.0f} s'
        text(to_x(begin) - 6, place + 12, name, "end")
        place += 19
    height = place + 24
    text(LEFT, height - 8, f"{end - start:.0f} seconds of a real ensemble; the ramp begins after {LEAD_IN}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">'
                   f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>{"".join(out)}</svg>\n')


if __name__ == "__main__":
    main()
