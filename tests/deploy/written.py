"""Compares the rules of chart and mixin with those of the exporter, and checks them with promtool."""

import json
import re
import subprocess
import tempfile

import yaml

ENSEMBLES = [{"name": "prod", "members": ["zk-1:2181"]}]


def number(text):
    return re.sub(r"\d[\d.]*(?:e[+-]?\d+)?", lambda found: f"{float(found[0]):.10g}" if found[0].count(".") < 2 else found[0], text)


def bare(groups):
    """Rules with white space removed from expressions: line breaks depend on the length of numbers."""
    return [{**group, "rules": [{**rule, "expr": "".join(rule["expr"].split())} for rule in group["rules"]]} for group in groups]


def seconds(text):
    sizes = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
    return sum(int(digits) * sizes[unit] for digits, unit in re.findall(r"(\d+)([a-z])", text))


def rules(groups, problems):
    """The rules as a set of texts, without the wording of limits and with numbers in one form.

    With configured names the exporter also generates rules for missing ensembles and omits TLS: both are left out here.
    """
    found = set()
    for group in json.loads(json.dumps(groups)):
        for rule in group["rules"]:
            rule["expr"] = number("".join(rule["expr"].split()))
            rule["for"] = seconds(rule.get("for", "0s"))
            words = rule["annotations"].pop("description") if "alert" in rule else ""
            if re.search("__[A-Z]", rule["expr"] + words):
                problems.append(f"a placeholder is left in {rule}")
            if rule.get("alert") not in ("ZooKeeperEnsembleUnwatched", "ZooKeeperCertificateExpiring"):
                found.add(json.dumps({"group": group["name"], **rule}, sort_keys=True))
    return found


def by_exporter(exporter, config):
    """The rules that the exporter generates for a configuration; None if it rejects the configuration."""
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        yaml.safe_dump(config, file)
        file.flush()
        done = subprocess.run([exporter, "rules", "--config.file", file.name], capture_output=True, text=True, timeout=60)
        return yaml.safe_load(done.stdout)["groups"] if done.returncode == 0 else None


def mistake(promtool, groups):
    """The error that promtool reports for the rules; None if there is none."""
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        yaml.safe_dump({"groups": groups}, file)
        file.flush()
        done = subprocess.run([promtool, "check", "rules", "--lint=all", "--lint-fatal", file.name], capture_output=True, text=True)
        return None if done.returncode == 0 else done.stdout + done.stderr
