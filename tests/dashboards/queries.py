"""Runs the queries that Grafana would run for a dashboard: all panels, with variables substituted."""

import re

# At least four scrape intervals, as in Grafana.
RATE_INTERVAL = "10s"


def filled(text, variables):
    """The expression with its variables substituted as Grafana does for Prometheus."""
    text = text.replace("$__rate_interval", RATE_INTERVAL)
    for name, value in variables.items():
        text = re.sub(rf"\$\{{{name}\}}|\${name}\b", lambda _, value=value: value, text)
    return text


def everything():
    return {"job": ".+", "cluster": ".*", "ensemble": ".+", "member": ".+"}


def has_number(result):
    """Returns whether a result contains a finite number."""
    values = (value for series in result for value in series.get("values", [series.get("value")]))
    return any(value[1] not in ("NaN", "+Inf", "-Inf") for value in values)


class Answer:
    """A query and its result."""

    def __init__(self, panel, target, result, error):
        self.panel, self.target, self.result, self.error = panel, target, result, error


def ask_panel(stage, panel, variables, start, end, step):
    answers = []
    for target in panel.get("targets", []):
        expr = filled(target["expr"], variables)
        try:
            if target["instant"]:
                result = stage.ask("query", query=expr, time=end)["result"]
            else:
                result = stage.ask("query_range", query=expr, start=start, end=end, step=step)["result"]
            answers.append(Answer(panel, target, result, None))
        except RuntimeError as error:
            answers.append(Answer(panel, target, [], f"{error}\n    {expr}"))
    return answers


def ask_dashboard(stage, dashboard, variables, start, end, step):
    """Results by panel id."""
    return {panel["id"]: ask_panel(stage, panel, variables, start, end, step) for panel in dashboard["panels"]}


def ask_annotations(stage, dashboard, variables, start, end, step):
    """Maps each annotation to its result. Grafana's fixed step of one minute would hide events that last seconds here,
    so the minutes in these queries become seconds, like all durations of this test."""
    found = {}
    for mark in dashboard["annotations"]["list"]:
        expr = filled(mark["expr"], variables).replace("offset 1m", "offset 6s").replace("[2m]", "[12s]").replace("< 60", "< 3")
        found[mark["name"]] = (mark, stage.ask("query_range", query=expr, start=start, end=end, step=step)["result"])
    return found


def ask_variables(stage, dashboard):
    """Maps each variable to its values."""
    found = {}
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            match = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"])
            selector = filled(match[1], everything())
            found[variable["name"]] = stage.ask(f"label/{match[2]}/values", **{"match[]": selector})
    return found
