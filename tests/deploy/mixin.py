#!/usr/bin/env python3
"""Renders the mixin with jsonnet and checks the result against the shipped files, promtool and the exporter.

usage: mixin.py EXPORTER PROMTOOL

Run from the top folder with a Python that has jsonnet; `./scripts/test long helm` does.
"""

import json
import pathlib
import sys

import _jsonnet
import yaml

import written

problems = []

MIXIN = "deploy/mixin/mixin.libsonnet"


def check(truth, what):
    if not truth:
        problems.append(what)


def evaluated(config="{}"):
    parts = "{ [part]: mixin[part] for part in ['prometheusAlerts', 'prometheusRules', 'grafanaDashboards'] }"
    return json.loads(_jsonnet.evaluate_snippet("test", f"local mixin = (import '{MIXIN}') + {{ _config+:: {config} }}; {parts}"))


def groups(mixin):
    return mixin["prometheusRules"]["groups"] + mixin["prometheusAlerts"]["groups"]


def by_name(groups):
    return {group["name"]: group for group in groups}


def refused(config):
    try:
        evaluated(config)
    except RuntimeError as error:
        return str(error)
    return None


def main():
    _, exporter, program = sys.argv if len(sys.argv) == 3 else sys.exit(__doc__)
    mixin = evaluated()
    shipped = [group for name in ("zookeeper", "early-warning") for group in yaml.safe_load(pathlib.Path(f"alert-rules/{name}.yml").read_text())["groups"]]
    check(by_name(written.bare(groups(mixin))) == by_name(written.bare(shipped)), "the rules of the mixin are not those of alert-rules/")
    dashboards = {file.name: json.loads(file.read_text()) for file in pathlib.Path("dashboards").glob("*.json")}
    check(mixin["grafanaDashboards"] == dashboards, "the dashboards of the mixin are not those of dashboards/")
    check(written.mistake(program, groups(mixin)) is None, written.mistake(program, groups(mixin)))
    print(f"{sum(len(group['rules']) for group in shipped)} rules and {len(dashboards)} dashboards are the shipped ones")

    changed = evaluated("""{
      selector: 'job="zk",cluster=~"a|b"', labels: {team: 'storage'}, runbookUrl: 'https://wiki.example.com/zk/', dashboardUrl: 'https://grafana.example.com/d/', dashboardTags: ['zk'], dashboardRefresh: '1m',
    }""")
    check(written.mistake(program, groups(changed)) is None, written.mistake(program, groups(changed)))
    rules = [rule for group in groups(changed) for rule in group["rules"]]
    bare = [rule for rule in rules if "zk_up" in rule["expr"] and 'job="zk"' not in rule["expr"]]
    check(not bare, f"without the selector: {bare[:1]}")
    stripped = json.loads(json.dumps(groups(changed)).replace('{job=\\"zk\\",cluster=~\\"a|b\\"}', "").replace('job=\\"zk\\",cluster=~\\"a|b\\",', ""))
    strip = lambda groups: {name: [rule["expr"] for rule in group["rules"]] for name, group in by_name(written.bare(groups)).items()}
    check(strip(stripped) == strip(shipped), "the selector changes more than selectors")
    alerts = [rule for rule in rules if "alert" in rule]
    check(all(rule["labels"]["team"] == "storage" for rule in alerts), "an alert without its label")
    check(all(rule["annotations"]["runbook_url"] == f"https://wiki.example.com/zk/{rule['alert']}.md" for rule in alerts), "another runbook")
    uids = {board["uid"] for board in dashboards.values()}
    shown = [rule["annotations"].get("dashboard_url", "").removeprefix("https://grafana.example.com/d/").split("?")[0] for rule in alerts]
    check(all(uid in uids for uid in shown), "an alert without a link to a dashboard")
    check(not any("dashboard_url" in rule["annotations"] for group in shipped for rule in group["rules"] if "alert" in rule), "a link without a URL")
    check(all(one["tags"] == ["zk"] and one["refresh"] == "1m" for one in changed["grafanaDashboards"].values()), "other tags")

    settings = {"OutstandingRequests": {"warning": 20, "critical": 200, "for": "10m"}, "SlowFsync": {"warning": 0.05}, "JvmPauses": False,
                "SlowWrites": {"critical": False}, "DiskSpaceLow": {"warning": 0.25, "critical": 0.08}, "ConnectionsHigh": True}
    modules = {"default": {"canary": {"interval": "30s"}, "znodes": {"paths": ["/a"]}, "host": True, "digests": {}, "clients": {}}}
    theirs = written.by_exporter(exporter, {"ensembles": written.ENSEMBLES, "modules": modules, "alerts": {"thresholds": settings}})
    ours = groups(evaluated(f"{{thresholds: {json.dumps(settings)}, canary: true, digests: true, clients: true, znodes: true, host: true}}"))
    ours, theirs = (written.rules(groups, problems) for groups in (ours, theirs))
    check(ours == theirs, f"mixin and exporter differ: {sorted(ours ^ theirs)[:2]}")
    nonsense = [
        {"OutstandingRequest": {"warning": 20}}, {"OutstandingRequests": {"warning": 200}}, {"OutstandingRequests": {"warning": -1}},
        {"OutstandingRequests": {"warning": "20s"}}, {"OutstandingRequests": {"warn": 20}}, {"OutstandingRequests": {"warning": 0}},
        {"HeapHigh": {"warning": 50}}, {"DiskSpaceLow": {"warning": 0.03}}, {"MemberDown": {"critical": 5}},
    ]
    for setting in nonsense:
        check(refused(f"{{thresholds: {json.dumps(setting)}}}"), f"the mixin takes {setting}")
    print(f"thresholds give the exporter's own rules; {len(nonsense)} nonsensical ones are refused")
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
