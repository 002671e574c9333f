"""Parses rule files as YAML 1.1 (PyYAML) and YAML 1.2 (ruamel.yaml) and compares both with the expected content.

Usage: rules_read.py CASES   (one JSON document per line: {"name", "prometheus", "kubernetes", "zabbix", "alertmanager",
"rules", "url", "kept"})
"""

import json
import sys

import yaml
from ruamel.yaml import YAML

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_11(text):
    return yaml.load(text, Loader=LOADER)


def read_12(text):
    return YAML(typ="safe", pure=True).load(text)


def alerts(groups):
    rules = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    for rule in rules:
        rule["expr"] = rule["expr"].rstrip("\n")
    return sorted(rules, key=lambda rule: json.dumps(rule, sort_keys=True))


def texts(node):
    if isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)
    else:
        yield node


def main():
    for line in open(sys.argv[1], encoding="utf-8"):
        case = json.loads(line)
        wanted = sorted(case["rules"], key=lambda rule: json.dumps(rule, sort_keys=True))
        for format in ["prometheus", "kubernetes", "zabbix", "alertmanager"]:
            if not case.get(format):
                continue
            first, second = read_11(case[format]), read_12(case[format])
            assert first == second, f"{case['name']}: {format}: the readers differ"
            if format == "zabbix":
                strange = [text for text in texts(first) if not isinstance(text, str)]
                assert not strange, f"{case['name']}: {strange}"
                urls = {text for text in texts(first) if str(text).endswith(".md")}
                assert all(url.startswith(case["url"]) for url in urls), f"{case['name']}: {urls}"
                continue
            if format == "alertmanager":
                lists = [first["route"]["group_by"]] + [rule["equal"] for rule in first["inhibit_rules"]]
                lacking = [names for names in lists if not set(case["kept"]) <= set(names)]
                assert not lacking, f"{case['name']}: {lacking}"
                continue
            groups = first["groups"] if format == "prometheus" else first["spec"]["groups"]
            found = alerts(groups)
            assert found == wanted, f"{case['name']}: {format}:\n{json.dumps(found)}\n{json.dumps(wanted)}"
    print("equal")


main()
