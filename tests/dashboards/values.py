"""Formats and colours values by Grafana's units, thresholds and mappings, as far as the dashboards use them."""

import math
import re

COLOURS = {
    "green": "#73bf69", "super-light-green": "#c8f2c2", "yellow": "#fade2a", "orange": "#ff9830", "red": "#f2495c",
    "dark-red": "#c4162a", "blue": "#5794f2", "purple": "#b877d9", "text": "#d8d9da",
}
PALETTE = ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#705da0", "#37872d", "#fade2a",
           "#447ebc", "#c15c17"]


def rounded(value):
    text = f"{value:.3g}"
    return f"{float(text):.0f}" if "e" in text else text


def scaled(value, base, units):
    size, index = abs(value), 0
    while size >= base and index < len(units) - 1:
        size, index = size / base, index + 1
    return f"{'-' if value < 0 else ''}{rounded(size)}{units[index]}"


def seconds(value):
    for limit, factor, unit in ((1e-3, 1e6, "µs"), (1, 1e3, "ms"), (60, 1, "s"), (3600, 1 / 60, "min"), (86400, 1 / 3600, "h")):
        if abs(value) < limit:
            return "0 s" if value == 0 else f"{rounded(value * factor)} {unit}"
    return f"{rounded(value / 86400)} days"


def age(value):
    left, parts = max(0, int(value)), []
    for unit, size in (("year", 31536000), ("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        number, left = divmod(left, size)
        if number and len(parts) < 2:
            parts.append(f"{number} {unit}{'s' if number > 1 else ''}")
    return " ".join(parts) or "0 seconds"


def written(value, unit):
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞"
    if unit == "short":
        return scaled(value, 1000, ["", " K", " Mil", " Bil", " Tri"])
    if unit == "s":
        return seconds(value)
    if unit == "dtdurations":
        return age(value)
    if unit in ("bytes", "Bps"):
        return scaled(value, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]) + ("/s" if unit == "Bps" else "")
    if unit == "percentunit":
        return f"{rounded(value * 100)}%"
    if unit == "ops":
        return scaled(value, 1000, ["", "K", "M"]) + " ops/s"
    if unit in ("string", "none"):
        return rounded(value)
    raise ValueError(f"the preview does not know the unit {unit}")


def colour(name):
    return COLOURS[name] if name in COLOURS else name


def by_threshold(value, thresholds):
    chosen = thresholds["steps"][0]["color"]
    for step in thresholds["steps"][1:]:
        if value >= step["value"]:
            chosen = step["color"]
    return colour(chosen)


def mapped(value, mappings):
    """Text and colour of a value, or None."""
    key = value if isinstance(value, str) else f"{value:.0f}"
    for mapping in mappings or []:
        if key in mapping["options"]:
            option = mapping["options"][key]
            return option["text"], colour(option["color"])
    return None


def legend(target, labels):
    """The name of a series; labels of the format that the series lacks are left out, as in Grafana."""
    if not target["legendFormat"]:
        return "Value" if not labels else ", ".join(f'{name}="{value}"' for name, value in labels.items())
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), target["legendFormat"]).strip()
