"""Runs the pods of the chart as processes on loopback, with the pod's arguments, environment, files and probes."""

import base64
import json
import os
import pathlib
import re
import socket
import socketserver
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

import yaml

# bcrypt of "scrape" at cost 10.
HASH = "$2b$10$Ta3OufUk8OErNrg.TPMuiec96pm19dIq5F.3FXDQR2aJ/bzRCyvgG"
DEADLINE = 60


class Member(socketserver.ThreadingTCPServer):
    """Replies to commands like a follower."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self):
        replies = {file.stem: file.read_bytes() for file in pathlib.Path("tests/fixtures/3.9.3/follower").glob("*.txt")}

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.settimeout(5)
                word = self.request.recv(4).decode(errors="replace")
                self.request.sendall(replies.get(word, f"{word} is not executed because it is not in the whitelist.\n".encode()))

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def name(self):
        return f"127.0.0.1:{self.server_address[1]}"


class Pod:
    """The container of a Deployment, with its volumes in a folder."""

    def __init__(self, exporter, documents, folder, secrets):
        self.folder, self.exporter = folder, exporter
        [deployment] = [one for one in documents if one["kind"] == "Deployment"]
        self.maps = {one["metadata"]["name"]: one for one in documents if one["kind"] == "ConfigMap"}
        spec = deployment["spec"]["template"]["spec"]
        self.container = spec["containers"][0]
        self.volumes = {volume["name"]: volume for volume in spec["volumes"]}
        self.versions = 0
        for mount in self.container["volumeMounts"]:
            volume = self.volumes[mount["name"]]
            if "configMap" in volume:
                self.publish(mount["mountPath"], self.maps[volume["configMap"]["name"]]["data"])
            elif "secret" in volume:
                self.publish(mount["mountPath"], secrets[volume["secret"]["secretName"]])
            else:
                self.place(mount["mountPath"]).mkdir(parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = None

    def place(self, path):
        return self.folder / path.lstrip("/")

    def inside(self, text):
        """Replaces /etc/zookeeper-exporter by the folder."""
        return text.replace("/etc/zookeeper-exporter/", f"{self.folder}/etc/zookeeper-exporter/")

    def publish(self, path, files):
        """Writes a volume as the kubelet does: files are links through ..data, which is replaced atomically."""
        place = self.place(path)
        place.mkdir(parents=True, exist_ok=True)
        self.versions += 1
        data = place / f"..{self.versions}"
        data.mkdir()
        for name, content in files.items():
            (data / name).write_text(self.inside(content))
            link = place / name
            if not link.is_symlink():
                link.symlink_to(f"..data/{name}")
        (place / "..next").symlink_to(data.name)
        (place / "..next").rename(place / "..data")

    def start(self):
        arguments = [self.inside(argument) for argument in self.container.get("args", [])]
        environment = {"PATH": os.environ["PATH"], **{one["name"]: one["value"] for one in self.container.get("env", [])}}
        self.log = open(self.folder / "log", "w+")
        self.process = subprocess.Popen(
            [self.exporter, *arguments, f"--web.listen-address=127.0.0.1:{self.port}"], env=environment, stdout=self.log, stderr=self.log
        )

    def said(self):
        return (self.folder / "log").read_text()

    def stop(self):
        self.process.terminate()
        return self.process.wait(20)

    def probe(self, name):
        """Returns whether a probe succeeds."""
        probe = self.container[name]
        if "exec" in probe:
            command = [self.exporter, *probe["exec"]["command"][1:], f"--web.listen-address=127.0.0.1:{self.port}"]
            return subprocess.run(command, capture_output=True, timeout=10).returncode == 0
        try:
            return self.get(probe["httpGet"]["path"])[0] == 200
        except OSError:
            return False

    def get(self, path, scheme="http", password=None):
        request = urllib.request.Request(f"{scheme}://127.0.0.1:{self.port}{path}")
        if password:
            request.add_header("Authorization", "Basic " + base64.b64encode(password.encode()).decode())
        context = ssl._create_unverified_context() if scheme == "https" else None
        try:
            with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""


def until(what, seen):
    end = time.monotonic() + DEADLINE
    while not seen():
        if time.monotonic() > end:
            raise RuntimeError(f"not within {DEADLINE} s: {what}")
        time.sleep(0.1)


def certificate(folder):
    """A self-signed certificate, as the files of a TLS secret."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert,
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True,
    )
    return {"tls.key": key.read_text(), "tls.crt": cert.read_text(), "ca.crt": cert.read_text()}


def runs(exporter, rendered, problems):
    """Starts the workloads that the chart renders and yields the results."""
    member = Member()
    for scenario in (reloads, secured):
        with tempfile.TemporaryDirectory() as folder:
            try:
                yield scenario(exporter, rendered, pathlib.Path(folder), member)
            except (RuntimeError, AssertionError, OSError, subprocess.SubprocessError) as error:
                problems.append(f"{scenario.__name__}: {error}")


def values(folder, content):
    path = folder / "values.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def reloads(exporter, rendered, folder, member):
    """The pod is scraped, and a new version of the ConfigMap is loaded without a restart."""
    config = {"ensembles": [{"name": "prod", "members": [member.name]}], "alerts": {"thresholds": {"DataSizeHigh": {"warning": 1234567890, "critical": "2GiB"}}}}
    arguments = ["-f", "deploy/helm/zookeeper-exporter/ci/operator-values.yaml", "--set", "reloadInterval=1s"]
    documents = rendered(*arguments, "-f", values(folder, {"config": config}))
    pod = Pod(exporter, documents, folder / "pod", {})
    pod.start()
    try:
        until("the startup probe succeeds: " + pod.said(), lambda: pod.probe("startupProbe"))
        assert pod.probe("livenessProbe") and pod.probe("readinessProbe"), "a probe fails"
        [monitor] = [one for one in documents if one["kind"] == "ServiceMonitor"]
        path = monitor["spec"]["endpoints"][0]["path"]
        status, page = pod.get(path)
        assert status == 200 and f'zk_up{{ensemble="prod",member="{member.name}"}} 1' in page, page[:2000]
        series = page.count("\nzk_")
        threshold = re.search(r'zk_alert_threshold{[^}]*alert="ZooKeeperDataSizeHigh"[^}]*severity="warning"[^}]*} (\S+)', page)
        assert threshold is None or float(threshold[1]) == 1234567890, threshold[0]
        config["ensembles"].append({"name": "second", "members": [member.name]})
        again = rendered(*arguments, "-f", values(folder, {"config": config}))
        templates = [one["spec"]["template"] for one in (*documents, *again) if one["kind"] == "Deployment"]
        assert templates[0] == templates[1], "a change of the configuration restarts the pods"
        [data] = [one["data"] for one in again if one["kind"] == "ConfigMap" and "ensembles.yml" in one["data"]]
        pod.publish("/etc/zookeeper-exporter/config", data)
        until("the change is loaded: " + pod.said(), lambda: f'zk_up{{ensemble="second",member="{member.name}"}} 1' in pod.get(path)[1])
    finally:
        code = pod.stop()
    assert code == 0, f"it ends with {code}: {pod.said()}"
    return f"started from the rendered Deployment: probes succeed, {series} series scraped, a new ConfigMap reloaded without a restart"


def secured(exporter, rendered, folder, member):
    """TLS and users of the endpoint, and files of other secrets at the paths where the chart mounts them."""
    documents = rendered("-f", "deploy/helm/zookeeper-exporter/ci/secrets-values.yaml", "--set", "reloadInterval=1s")
    keys = certificate(folder)
    web = {
        "tls_server_config": {"cert_file": "/etc/zookeeper-exporter/web/tls.crt", "key_file": "/etc/zookeeper-exporter/web/tls.key"},
        "basic_auth_users": {"scrape": HASH},
    }
    secrets = {
        "zookeeper-client": keys,
        "zookeeper-digest": {"user": "monitor:secret"},
        "zookeeper-exporter-web": {**keys, "web.yml": yaml.safe_dump(web)},
    }
    pod = Pod(exporter, documents, folder / "pod", secrets)
    pod.start()
    try:
        until("the startup probe succeeds: " + pod.said(), lambda: pod.probe("startupProbe"))
        assert pod.probe("livenessProbe") and pod.probe("readinessProbe"), "a probe fails"
        [monitor] = [one for one in documents if one["kind"] == "PodMonitor"]
        endpoint = monitor["spec"]["podMetricsEndpoints"][0]
        assert pod.get(endpoint["path"], endpoint["scheme"])[0] == 401, "no password is asked for"
        status, page = pod.get(endpoint["path"], endpoint["scheme"], "scrape:scrape")
        assert status == 200 and 'zk_up{ensemble="secure",member="zk-0.zk.secure:2281"} 0' in page, f"{status} {page[:2000]}"
    finally:
        code = pod.stop()
    assert code == 0, f"it ends with {code}: {pod.said()}"
    return "with secrets: TLS and a password on the page, probes succeed without either, the client's certificate is read"
