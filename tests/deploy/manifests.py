#!/usr/bin/env python3
"""Checks deploy/kubernetes/ against the schemas of Kubernetes and the exporter, and for consistency.

usage: manifests.py EXPORTER

Run from the top folder with a Python that has kubernetes-validate; EXPORTER is the binary, which reads the shipped
ensembles.yml. The output of kubectl is checked too if kubectl is installed; otherwise a message reports that it is not.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

FOLDER = pathlib.Path("deploy/kubernetes")
RULES = pathlib.Path("alert-rules")
VERSIONS = ("1.28", "1.34")  # the oldest that clouds still offer, and the newest schema of the pinned package
NAME = {"app.kubernetes.io/name": "zookeeper-exporter"}
problems = []


def check(truth, what):
    if not truth:
        problems.append(what)


def schema(document, place):
    kind = document.get("kind")
    if document["apiVersion"].startswith("monitoring.coreos.com/"):
        return
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            problems.append(f"{place}: {kind}: Kubernetes {version}: {'/'.join(map(str, error.path))}: {error.message}")


def whole(documents):
    """Checks the references between the documents of one cluster."""
    by_kind = {document["kind"]: document for document in documents}
    missing = {"ConfigMap", "Deployment", "Service", "NetworkPolicy", "ServiceMonitor", "PrometheusRule"} - set(by_kind)
    if missing:
        return problems.append(f"no {', '.join(sorted(missing))}")
    deployment, service = by_kind["Deployment"], by_kind["Service"]
    pod = deployment["spec"]["template"]
    container = pod["spec"]["containers"][0]
    labels = pod["metadata"]["labels"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for what, selector in (
        ("Deployment", deployment["spec"]["selector"]["matchLabels"]),
        ("Service", service["spec"]["selector"]),
        ("NetworkPolicy", by_kind["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]),
    ):
        check(selector and selector.items() <= labels.items(), f"{what} selects {selector}, the pods have {labels}")
    for probe, path in (("startupProbe", "/-/healthy"), ("livenessProbe", "/-/healthy"), ("readinessProbe", "/-/ready")):
        ask = container.get(probe, {}).get("httpGet", {})
        check(ask.get("path") == path and ask.get("port") in ports, f"{probe} asks {ask}")
    monitor = by_kind["ServiceMonitor"]["spec"]
    check(monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items(), "ServiceMonitor selects no Service")
    for endpoint in monitor["endpoints"]:
        check(set(endpoint) <= {"port", "path", "interval", "scrapeTimeout"}, f"ServiceMonitor: unknown key in {endpoint}")
        check(endpoint["port"] in [port["name"] for port in service["spec"]["ports"]], "ServiceMonitor: no such port")
        seconds = [int(endpoint[key].removesuffix("s")) for key in ("interval", "scrapeTimeout")]
        check(seconds[1] <= seconds[0], "ServiceMonitor: the timeout is longer than the interval")
    shipped = [group for path in sorted(RULES.glob("*.yml")) for group in yaml.safe_load(path.read_text())["groups"]]
    told = by_kind["PrometheusRule"]["spec"]["groups"]
    told, shipped = ({group["name"]: group for group in groups} for groups in (told, shipped))
    check(told == shipped, "PrometheusRule: other rules than alert-rules/ has")
    for port in service["spec"]["ports"]:
        check(port["targetPort"] in ports, f"Service: no port {port['targetPort']} in the pod")
    policy = by_kind["NetworkPolicy"]["spec"]
    check(policy["ingress"][0]["ports"][0]["port"] in ports, "NetworkPolicy: lets nobody in to the page")
    check(set(policy["policyTypes"]) == {"Ingress", "Egress"}, "NetworkPolicy: one direction is open")

    security, own = pod["spec"]["securityContext"], container["securityContext"]
    check(security["runAsNonRoot"] and security["runAsUser"] > 0, "the pod may run as root")
    check(security["seccompProfile"]["type"] == "RuntimeDefault", "no seccomp profile")
    check(own["readOnlyRootFilesystem"] and not own["allowPrivilegeEscalation"], "the root is writable or may be had")
    check(own["capabilities"] == {"drop": ["ALL"]}, "capabilities are kept")
    user = re.search(r"^USER (\d+):", pathlib.Path("deploy/docker/Dockerfile").read_text(), re.M)[1]
    check(security["runAsUser"] == int(user), "the image has another user")
    check(pod["spec"]["automountServiceAccountToken"] is False, "a token of the API is mounted for nothing")
    check({"requests", "limits"} == set(container["resources"]), "no requests or limits")

    config = next(volume["configMap"]["name"] for volume in pod["spec"]["volumes"] if "configMap" in volume)
    check(config == by_kind["ConfigMap"]["metadata"]["name"], f"the pod mounts {config}, which is not there")
    mount = container["volumeMounts"][0]["mountPath"]
    files = [f"--config.file={mount}/{name}" for name in by_kind["ConfigMap"]["data"]]
    check(files[0] in container["args"], f"the exporter is not told of {files[0]}")
    for document in documents:
        check(NAME.items() <= document["metadata"].get("labels", {}).items(), f"{document['kind']} has no name label")


def starts(exporter, arguments, config):
    """The exporter starts with the shipped arguments and configuration, and rejects a broken configuration."""
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        file.write(config)
        file.flush()
        arguments = [re.sub(r"^(--config.file=).*", rf"\g<1>{file.name}", one) for one in arguments]
        process = subprocess.Popen(
            [exporter, *arguments, "--web.listen-address=127.0.0.1:0"], stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True
        )
        said = ""
        for line in process.stdout:
            said += line
            if "listening" in line:
                break
        process.terminate()
        process.wait(10)
        return "listening" in said, said


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    documents = []
    for path in sorted(FOLDER.rglob("*.y*ml")):
        if path.name == "ensembles.yml":
            continue
        found = [document for document in yaml.safe_load_all(path.read_text()) if document]
        if path.name == "kustomization.yaml":
            for name in found[0]["resources"] + [file for one in found[0].get("configMapGenerator", []) for file in one["files"]]:
                check((path.parent / name).exists(), f"{path} names {name}, which is not there")
            for other in path.parent.glob("*.yaml"):
                check(other == path or other.name in found[0]["resources"], f"{path} leaves out {other.name}")
            continue
        for document in found:
            schema(document, path)
        documents += found
    config = (FOLDER / "ensembles.yml").read_text()
    generated = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "zookeeper-exporter", "labels": NAME}, "data": {"ensembles.yml": config}}
    whole([*documents, generated])

    deployment = next(document for document in documents if document["kind"] == "Deployment")
    arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    good, said = starts(sys.argv[1], arguments, config)
    check(good, f"the exporter does not take the shipped configuration: {said}")
    check(not starts(sys.argv[1], arguments, config.replace("members:", "member:"))[0], "the exporter takes any configuration")

    if shutil.which("kubectl"):
        rendered = []
        for folder in (FOLDER, FOLDER / "prometheus-operator"):
            text = subprocess.run(["kubectl", "kustomize", folder], check=True, capture_output=True, text=True).stdout
            for document in yaml.safe_load_all(text):
                schema(document, "rendered")
                check(document["metadata"].get("namespace") == "monitoring", f"{document['kind']} is in no namespace")
                rendered.append(document)
        whole(rendered)
        print(f"{len(documents)} manifests, {len(rendered)} as kubectl renders them")
    else:
        print(f"{len(documents)} manifests; SKIPPED: there is no kubectl to render them")
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
