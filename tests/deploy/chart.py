#!/usr/bin/env python3
"""Renders the Helm chart with Helm and checks the result against Kubernetes, the shipped files and the exporter.

usage: chart.py HELM EXPORTER PROMTOOL

Run from the top folder with a Python that has kubernetes-validate; `./scripts/test long helm` does.
"""

import base64
import gzip
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

import pod
import written
from written import ENSEMBLES

CHART = pathlib.Path("deploy/helm/zookeeper-exporter")
# The oldest release that clouds still offer, one in between, and the newest schema available.
VERSIONS = ("1.29", "1.33", kubernetes_validate.latest_version())
# Keys that these custom resources may have; the Kubernetes schemas do not cover them.
ENDPOINT = {"port", "path", "interval", "scrapeTimeout", "scheme", "tlsConfig", "basicAuth", "relabelings", "metricRelabelings"}
FOREIGN = {
    "ServiceMonitor": {"jobLabel", "targetLabels", "namespaceSelector", "selector", "endpoints"},
    "PodMonitor": {"jobLabel", "namespaceSelector", "selector", "podMetricsEndpoints"},
    "PrometheusRule": {"groups"},
    "HTTPRoute": {"parentRefs", "hostnames", "rules"},
}
# Kubernetes rejects a larger secret, and Helm stores a release in a secret.
MAX_RELEASE_BYTES = 1 << 20
HELM, EXPORTER, PROMTOOL = sys.argv[1:4] if len(sys.argv) == 4 else sys.exit(__doc__)
problems = []


def check(truth, what):
    if not truth:
        problems.append(what)


def helm(*arguments):
    done = subprocess.run([HELM, *map(str, arguments)], capture_output=True, text=True, timeout=60)
    errors = [line for line in done.stderr.splitlines() if "found symbolic link" not in line]
    return done.returncode, done.stdout, "\n".join(errors)


def rendered(*arguments, chart=CHART):
    code, text, errors = helm("template", "test", chart, "--namespace", "zk", *arguments)
    if code:
        raise RuntimeError(errors)
    # YAML readers silently keep the last of two duplicate keys; the strict loader rejects them.
    return [document for document in yaml.load_all(text, Loader=Strict) if document]


class Strict(yaml.SafeLoader):
    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if len(keys) != len(set(keys)):
            raise RuntimeError(f"a key twice at {node.start_mark}")
        return super().construct_mapping(node, deep)


def refused(config):
    """The error with which the chart rejects a configuration; None if it accepts it."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump({"config": config, "prometheusRule": {"enabled": True}}, file)
        file.flush()
        code, _, errors = helm("template", "test", CHART, "-f", file.name, "-s", "templates/prometheusrule.yaml")
        return errors if code else None


def of_kind(documents, kind):
    return [document for document in documents if document["kind"] == kind]


def schemas(documents, name):
    for document in documents:
        kind = document["kind"]
        if kind in FOREIGN:
            check(set(document["spec"]) <= FOREIGN[kind], f"{name}: {kind} has {set(document['spec']) - FOREIGN[kind]}")
            for endpoint in document["spec"].get("endpoints", []) + document["spec"].get("podMetricsEndpoints", []):
                check(set(endpoint) <= ENDPOINT, f"{name}: {kind} has an endpoint with {set(endpoint) - ENDPOINT}")
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                problems.append(f"{name}: {kind}: Kubernetes {version}: {'/'.join(map(str, error.path))}: {error.message}")


def fits(documents, name):
    """Checks the references between the objects."""
    [deployment], [service] = of_kind(documents, "Deployment"), of_kind(documents, "Service")
    template = deployment["spec"]["template"]
    container, labels = template["spec"]["containers"][0], template["metadata"]["labels"]
    ports = {port["name"] for port in container["ports"]}
    selectors = [deployment["spec"]["selector"]["matchLabels"], service["spec"]["selector"]]
    for kind, key in (("NetworkPolicy", "podSelector"), ("PodDisruptionBudget", "selector"), ("PodMonitor", "selector")):
        selectors += [one["spec"][key]["matchLabels"] for one in of_kind(documents, kind)]
    for selector in selectors:
        check(selector and selector.items() <= labels.items(), f"{name}: {selector} selects no pod")
    for monitor in of_kind(documents, "ServiceMonitor"):
        check(monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items(), f"{name}: ServiceMonitor selects no Service")
        check(monitor["spec"]["namespaceSelector"]["matchNames"] == [service["metadata"]["namespace"]], f"{name}: ServiceMonitor looks elsewhere")
    for port in service["spec"]["ports"]:
        check(port["targetPort"] in ports, f"{name}: no port {port['targetPort']}")
    for backend in [rule["backendRefs"][0] for route in of_kind(documents, "HTTPRoute") for rule in route["spec"]["rules"]]:
        check(backend == {"name": service["metadata"]["name"], "port": service["spec"]["ports"][0]["port"]}, f"{name}: {backend}")
    own = container["securityContext"]
    check(own["readOnlyRootFilesystem"] and not own["allowPrivilegeEscalation"] and own["capabilities"] == {"drop": ["ALL"]}, f"{name}: {own}")
    check(template["spec"]["automountServiceAccountToken"] is False, f"{name}: a token is mounted")
    for account in of_kind(documents, "ServiceAccount"):
        check(account["automountServiceAccountToken"] is False, f"{name}: a token is mounted")
        check(account["metadata"]["name"] == template["spec"]["serviceAccountName"], f"{name}: another service account")
    volumes, mounts = ({one["name"] for one in part} for part in (template["spec"]["volumes"], container["volumeMounts"]))
    check(volumes == mounts, f"{name}: volumes {volumes}, mounts {mounts}")


def dashboards(documents):
    shipped = sorted(pathlib.Path("dashboards").glob("*.json"))
    found = of_kind(documents, "ConfigMap")
    maps = {file: text for one in found if "grafana_dashboard" in one["metadata"]["labels"] for file, text in one["data"].items()}
    check(sorted(maps) == [file.name for file in shipped], f"dashboards: {sorted(maps)}")
    for file in shipped:
        check(maps.get(file.name, "").encode() == file.read_bytes(), f"{file} is another one in the chart")
    check(all(one["metadata"]["annotations"]["grafana_folder"] for one in found if one["metadata"]["name"].endswith("overview")), "no folder")
    return len(maps)


def rules(documents, name):
    """Checks PrometheusRules with promtool, as rule files."""
    for one in of_kind(documents, "PrometheusRule"):
        why = written.mistake(PROMTOOL, one["spec"]["groups"])
        check(why is None, f"{name}: {why}")


def same_rules(documents):
    shipped = [group for name in ("zookeeper", "early-warning") for group in yaml.safe_load(pathlib.Path(f"alert-rules/{name}.yml").read_text())["groups"]]
    [rule] = of_kind(documents, "PrometheusRule")
    ours = rule["spec"]["groups"]
    check(written.bare(ours) == written.bare(shipped), "the rules of the chart are not those of alert-rules/")
    return sum(len(group["rules"]) for group in ours)


GOOD = [
    {"OutstandingRequests": {"warning": 20}},
    {"OutstandingRequests": {"warning": 0.5, "critical": 12345678}},
    {"ZooKeeperOutstandingRequests": {"warning": "20", "for": "1h30m"}},
    {"SlowFsync": {"warning": "50ms", "critical": "2 s"}},
    {"SlowFsync": {"critical": "off"}},
    {"SlowFsync": "off", "SlowWrites": False, "SlowReads": {"warning": False}},
    {"HeapHigh": {"warning": "70%", "critical": 0.9}},
    {"DataSizeHigh": {"warning": "1.5GiB", "critical": "on"}},
    {"DataSizeHigh": {"warning": "900kB"}},
    {"CertificateExpiring": {"warning": "45d", "critical": "14d"}},
    {"DiskSpaceLow": {"warning": "30%", "critical": "10%"}},
    {"ConnectionsHigh": "on"},
    {"ConnectionsHigh": {"warning": 500}},
    {"FileDescriptors": {"warning": 0.5}},
    {"ConnectionsHigh": {"warning": 2.5e6, "critical": 1e7}},
    {"MemberDown": {"for": "0s"}, "QuorumLost": {"for": "1w"}},
    {"JvmPauses": True},
]
NONSENSE = [
    {"OutstandingRequest": {"warning": 20}},
    {"OutstandingRequests": {"warning": 200}},
    {"OutstandingRequests": {"warning": 100, "critical": 100}},
    {"OutstandingRequests": {"warning": -1}},
    {"OutstandingRequests": {"warning": "-1"}},
    {"OutstandingRequests": {"warning": "20s"}},
    {"OutstandingRequests": {"warning": "many"}},
    {"OutstandingRequests": {"warning": ""}},
    {"OutstandingRequests": {"warning": 0}},
    {"OutstandingRequests": {"warn": 20}},
    {"OutstandingRequests": {"for": "soon"}},
    {"OutstandingRequests": {"for": "5"}},
    {"OutstandingRequests": {"for": "1s1m"}},
    {"OutstandingRequests": {"for": "2w"}},
    {"OutstandingRequests": {"for": ""}},
    {"OutstandingRequests": 20},
    {"OutstandingRequests": "yes"},
    {"SlowFsync": {"warning": "50 parsecs"}},
    {"SlowFsync": {"warning": "5s"}},
    {"SlowFsync": {"warning": "0.1.2s"}},
    {"SlowFsync": {"warning": [1]}},
    {"HeapHigh": {"warning": "5000%"}},
    {"HeapHigh": {"warning": 11}},
    {"HeapHigh": {"warning": "11"}},
    {"DataSizeHigh": {"warning": "1TB"}},
    {"DiskSpaceLow": {"warning": "3%"}},
    {"DiskSpaceLow": {"warning": "100%"}},
    {"MemberDown": {"critical": 5}},
    {"MemberDown": {"warning": "on"}},
]


def thresholds():
    """Every setting produces the same rules as the exporter, or is rejected by both."""
    for settings in GOOD:
        config = {"ensembles": ENSEMBLES, "alerts": {"thresholds": settings}}
        theirs = written.by_exporter(EXPORTER, config)
        if theirs is None:
            problems.append(f"the exporter refuses {settings}")
            continue
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump({"config": config, "prometheusRule": {"enabled": True}}, file)
            file.flush()
            try:
                documents = rendered("-f", file.name)
            except RuntimeError as error:
                problems.append(f"{settings}: {error}")
                continue
        same_as_exporter(documents, config, settings)
        rules(documents, settings)
        [held] = [one["data"]["ensembles.yml"] for one in of_kind(documents, "ConfigMap")]
        check(written.by_exporter(EXPORTER, yaml.safe_load(held)) == theirs, f"{settings}: the ConfigMap says something else")
    for settings in NONSENSE:
        config = {"ensembles": ENSEMBLES, "alerts": {"thresholds": settings}}
        check(written.by_exporter(EXPORTER, config) is None, f"the exporter takes {settings}")
        check(refused(config) is not None, f"the chart takes {settings}")
    for beyond in ({"profile": "kafka"}, {"alerts": {"keep_labels": ["cluster"]}}, {"alerts": {"ensembles": {"prod": {"SlowFsync": "off"}}}}):
        why = refused({"ensembles": ENSEMBLES, **beyond})
        check(why and "prometheusRule.rules" in why, f"{beyond}: {why}")
    for key in ("config.ensemble=x", "replica=2", "serviceMonitor.period=1s", "image.pullPolicy=Sometimes", "config.ensembles[0].title=x"):
        check(helm("template", "test", CHART, "--set", key)[0] != 0, f"the chart takes --set {key}")


def same_as_exporter(documents, config, name):
    [rule] = of_kind(documents, "PrometheusRule")
    ours, theirs = (written.rules(groups, problems) for groups in (rule["spec"]["groups"], written.by_exporter(EXPORTER, config)))
    check(ours == theirs, f"{name}: chart and exporter differ: {sorted(ours ^ theirs)[:2]}")


def handed_over(folder):
    """Rules generated by the exporter, passed with --set-file."""
    config = {"ensembles": ENSEMBLES, "profile": "kafka", "alerts": {"ensembles": {"prod": {"SlowFsync": {"warning": "20ms"}}}}}
    (folder / "config.yml").write_text(yaml.safe_dump(config))
    (folder / "values.yaml").write_text(yaml.safe_dump({"config": config, "prometheusRule": {"enabled": True}}))
    text = subprocess.run([EXPORTER, "rules", "--config.file", folder / "config.yml"], check=True, capture_output=True, text=True).stdout
    (folder / "rules.yml").write_text(text)
    documents = rendered("-f", folder / "values.yaml", "--set-file", f"prometheusRule.rules={folder / 'rules.yml'}")
    check(of_kind(documents, "PrometheusRule")[0]["spec"]["groups"] == yaml.safe_load(text)["groups"], "rules that were handed over are changed")
    (folder / "rules.yml").write_text("groups: 5\n")
    check(helm("template", "test", CHART, "-f", folder / "values.yaml", "--set-file", f"prometheusRule.rules={folder / 'rules.yml'}")[0] != 0, "nonsense is taken for rules")


def packaged(folder, operator):
    """The package needs no source files, renders the same objects and fits into the secret of a release."""
    code, text, errors = helm("package", CHART, "--destination", folder)
    check(code == 0, f"helm package: {errors}")
    [package] = folder.glob("*.tgz")
    check(rendered("-f", CHART / "ci/operator-values.yaml", chart=package) == operator, "the package renders something else")
    (folder / "apart").mkdir()
    shutil.unpack_archive(package, folder / "apart")
    files = [file for file in (folder / "apart").rglob("*") if file.is_file()]
    check(not any(file.is_symlink() for file in files), "the package has links")
    chart = {str(file.relative_to(folder)): base64.b64encode(file.read_bytes()).decode() for file in files}
    release = json.dumps({"chart": chart, "manifest": yaml.safe_dump_all(operator)}).encode()
    size = len(base64.b64encode(base64.b64encode(gzip.compress(release, 9))))
    check(size < MAX_RELEASE_BYTES, f"a release has {size} bytes")
    return package.stat().st_size, size


def main():
    code, text, errors = helm("lint", "--strict", CHART)
    check(code == 0, f"helm lint: {text}{errors}")
    by_name, objects = {}, 0
    for values in sorted((CHART / "ci").glob("*.yaml")):
        name = values.name.removesuffix("-values.yaml")
        code, text, errors = helm("lint", "--strict", CHART, "-f", values)
        check(code == 0, f"{name}: helm lint: {text}{errors}")
        documents = by_name[name] = rendered("-f", values)
        schemas(documents, name)
        fits(documents, name)
        rules(documents, name)
        objects += len(documents)
    print(f"{len(by_name)} sets of values, {objects} objects, valid for Kubernetes {', '.join(VERSIONS)}")
    print(f"{same_rules(by_name['operator'])} rules and {dashboards(by_name['operator'])} dashboards are the shipped ones")
    config = yaml.safe_load((CHART / "ci/thresholds-values.yaml").read_text())["config"]
    same_as_exporter(by_name["thresholds"], config, "thresholds")
    thresholds()
    print(f"{len(GOOD)} settings of thresholds give the exporter's own rules, {len(NONSENSE)} are refused as it refuses them")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        handed_over(folder)
        package, release = packaged(folder, by_name["operator"])
        print(f"package: {package} bytes; a release with rules and dashboards: {release} bytes of {MAX_RELEASE_BYTES}")
    for line in pod.runs(EXPORTER, rendered, problems):
        print(line)
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
