#!/usr/bin/env python3
"""Writes what a binary is made of as a CycloneDX 1.5 bill of materials, to the standard output.

usage: sbom.py TARGET EPOCH

TARGET is the platform, e.g. x86_64-unknown-linux-gnu; EPOCH the seconds of its timestamp. The crates are those that Cargo
links for it, with their licences, checksums of Cargo.lock, and on what each depends. Equal sources give equal bytes.
"""

import datetime
import json
import pathlib
import subprocess
import sys
import tomllib
import uuid


def main():
    target, epoch = sys.argv[1:] if len(sys.argv) == 3 else sys.exit(__doc__)
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target]
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    lock = tomllib.loads(pathlib.Path("Cargo.lock").read_text())
    checksums = {(one["name"], one["version"]): one.get("checksum") for one in lock["package"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]

    # Dependencies with a null kind are linked; build and test dependencies are excluded.
    depends, open_ids = {}, [root]
    while open_ids:
        one = open_ids.pop()
        if one not in depends:
            linked = [dep["pkg"] for dep in nodes[one]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
            depends[one] = sorted(set(linked), key=lambda id: reference(packages[id]))
            open_ids += linked

    def component(id, kind):
        package = packages[id]
        found = {
            "type": kind,
            "bom-ref": reference(package),
            "name": package["name"],
            "version": package["version"],
            "purl": reference(package),
        }
        if package["description"]:
            found["description"] = " ".join(package["description"].split())
        if package["license"]:
            found["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
        if checksum := checksums.get((package["name"], package["version"])):
            found["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        if package["repository"]:
            found["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
        return found

    others = sorted((id for id in depends if id != root), key=lambda id: reference(packages[id]))
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": component(root, "application"),
            "properties": [{"name": "cargo:target", "value": target}],
        },
        "components": [component(id, "library") for id in others],
        "dependencies": [
            {"ref": reference(packages[id]), "dependsOn": [reference(packages[one]) for one in depends[id]]} for id in [root, *others]
        ],
    }
    # Derived from the contents, so that it is reproducible.
    document["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document, sort_keys=True)).urn
    print(json.dumps(document, indent=2))


def reference(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


if __name__ == "__main__":
    main()
