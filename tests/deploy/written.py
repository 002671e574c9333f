"""Rules of chart and mixin beside those that the exporter writes, and promtool's opinion of them."""

import json
import re
import subprocess
import tempfile

import yaml

ENSEMBLES = [{"name": "prod", "members": ["zk-1:2181"]}]


def number(text):
    return re.sub(r"\d[\d.]*(?:e[+-]?\d+)?", lambda found: f"{float(found[0]):.10g}" if found[0].count(".") < 2 else found[0], text)


def bare(groups):
    """Rules whose expressions have no white space: where a line is broken depends on the length of a number."""
    return [{**group, "rules": [{**rule, "expr": "".join(rule["expr"].split())} for rule in group["rules"]]} for group in groups]


def seconds(text):
    sizes = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
    return sum(int(digits) * sizes[unit] for digits, unit in re.findall(r"(\d+)([a-z])", text))


def rules(groups, problems):
    """The rules as a set of texts: without the wording of limits, numbers in one form.

    With names in its configuration the exporter also watches for ensembles that are missing, and leaves TLS out: those
    rules are left out here.
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
    """The rules that the exporter writes for a configuration; None where it refuses it."""
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        yaml.safe_dump(config, file)
        file.flush()
        done = subprocess.run([exporter, "rules", "--config.file", file.name], capture_output=True, text=True, timeout=60)
        return yaml.safe_load(done.stdout)["groups"] if done.returncode == 0 else None


def mistake(promtool, groups):
    """What promtool finds in rules; None where it finds nothing."""
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        yaml.safe_dump({"groups": groups}, file)
        file.flush()
        done = subprocess.run([promtool, "check", "rules", "--lint=all", "--lint-fatal", file.name], capture_output=True, text=True)
        return None if done.returncode == 0 else done.stdout + done.stderr
