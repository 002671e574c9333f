#!/usr/bin/env python3
"""Unpacks every package of a release and compares the contents with each other and with the sources.

usage: formats.py RELEASE WORK

RELEASE is the output folder of scripts/release, WORK an empty folder. Run from the top folder.
"""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import zlib

NAME = "zookeeper-exporter"
RELEASE, WORK = map(pathlib.Path, sys.argv[1:]) if len(sys.argv) == 3 else sys.exit(__doc__)
ARCHES = {"amd64": ("x86_64", []), "arm64": ("aarch64", ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"])}
problems, skipped = [], []


def check(truth, what):
    if not truth:
        problems.append(what)
    return truth


def run(*command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300, **options)


def output(*command):
    done = run(*command)
    check(done.returncode == 0, f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")
    return done.stdout


def has(tool):
    if not shutil.which(tool):
        skipped.append(f"there is no {tool}")
    return shutil.which(tool)


def the(pattern):
    found = list(RELEASE.glob(pattern))
    check(len(found) == 1, f"{pattern}: {len(found)} files")
    return found[0]


def unpack(format, package, into):
    """The files that a package installs, extracted to a folder; None if the tool is missing."""
    into.mkdir(parents=True)
    if format == "deb":
        output("dpkg-deb", "-x", package, into)
    elif format == "rpm":
        if not has("rpm2archive"):
            return None
        with open(into.parent / "rpm.tgz", "wb") as archive:
            subprocess.run(["rpm2archive", "-"], stdin=open(package, "rb"), stdout=archive, check=True)
        output("tar", "-xzf", into.parent / "rpm.tgz", "-C", into)
    elif format == "archlinux":
        if not has("zstd"):
            return None
        output("tar", "--zstd", "-xf", package, "-C", into)
    else:
        # Concatenated gzip streams: signature or control, and data.
        output("tar", "-xzf", package, "-C", into, "--ignore-zeros", "--warning=no-unknown-keyword")
    return into


def said(format, package, arch):
    """The metadata of the package, read with its own tool."""
    machine = ARCHES[arch][0]
    if format == "deb":
        fields = output("dpkg-deb", "-f", package, "Package", "Architecture", "Depends", "Conffiles")
        check(f"Architecture: {arch}\n" in fields and "libc6" in fields and "systemd" in fields, f"{package.name}: {fields}")
        control = output("dpkg-deb", "-I", package)
        check(all(script in control for script in ("postinst", "prerm", "postrm", "conffiles")), f"{package.name}: {control}")
    elif format == "rpm" and has("rpm"):
        about = output("rpm", "-qp", "--nosignature", "--queryformat", "%{NAME} %{ARCH} %{LICENSE} %{URL}\n", package)
        check(about.startswith(f"{NAME} {machine} Apache-2.0 https://"), f"{package.name}: {about}")
        check("/etc/default/zookeeper-exporter" in output("rpm", "-qp", "--nosignature", "--configfiles", package), f"{package.name}: no configuration files")
        check("libc.so.6(GLIBC_2.34)(64bit)" in output("rpm", "-qp", "--nosignature", "--requires", package), f"{package.name}: no glibc")
        check("systemd-sysusers" in output("rpm", "-qp", "--nosignature", "--scripts", package), f"{package.name}: no scripts")
        check(run("rpm", "-K", "--nosignature", package).returncode == 0, f"{package.name}: its digests are wrong")
        if has("rpmlint"):
            found = run("rpmlint", "-c", "tests/package/rpmlint.toml", package)
            last = found.stdout.strip().splitlines()[-1]
            check(found.returncode == 0 and " 0 errors, " in last, f"rpmlint: {found.stdout}{found.stderr}")
    elif format == "archlinux" and has("zstd"):
        about = output("tar", "--zstd", "-xOf", package, ".PKGINFO")
        check(f"arch = {machine}" in about and "depend = glibc>=2.34" in about and "backup = etc/default/zookeeper-exporter" in about, f"{package.name}: {about}")
        check("systemd-sysusers" in output("tar", "--zstd", "-xOf", package, ".INSTALL"), f"{package.name}: no scripts")
    elif format == "apk":
        about = output("tar", "-xzOf", package, "--ignore-zeros", ".PKGINFO")
        check(f"arch = {machine}" in about and "depend = gcompat" in about, f"{package.name}: {about}")


def installed(root, arch, binary):
    """The installed contents work: binary, unit, man pages, completions, documents."""
    program = root / "usr/bin" / NAME
    check(program.read_bytes() == binary and os.access(program, os.X_OK), f"{root}: another binary than the archive has")
    runner = ARCHES[arch][1]
    if not runner or has(runner[0]):
        version = output(*runner, program, "--version")
        check(version.startswith(f"{NAME} "), f"{root}: {version}")
    unit = root / f"usr/lib/systemd/system/{NAME}.service"
    check(unit.read_bytes() == pathlib.Path(f"deploy/systemd/{NAME}.service").read_bytes(), f"{root}: another unit")
    if has("systemd-sysusers"):
        made = run("systemd-sysusers", "--dry-run", f"--root={WORK}", "-", input=(root / f"usr/lib/sysusers.d/{NAME}.conf").read_text())
        check(f"user '{NAME}'" in made.stdout + made.stderr, f"{root}: sysusers: {made.stdout}{made.stderr}")
    pages = list((root / "usr/share/man/man1").glob("*.1.gz"))
    check(len(pages) > 5, f"{root}: {len(pages)} man pages")
    if has("man"):
        for page in pages:
            done = run("man", "--warnings", "-l", page, env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "100"})
            check(done.returncode == 0 and not done.stderr, f"{page}: {done.stderr}")
    bash = root / f"usr/share/bash-completion/completions/{NAME}"
    check(run("bash", "-n", bash).returncode == 0, f"{root}: bash does not take its completions")
    zsh = list((root / "usr/share/zsh").glob(f"*/_{NAME}"))
    check(len(zsh) == 1 and zsh[0].read_text().startswith(f"#compdef {NAME}"), f"{root}: {zsh}")
    check((root / f"usr/share/fish/vendor_completions.d/{NAME}.fish").exists(), f"{root}: no completions for fish")
    check((root / f"etc/{NAME}").is_dir(), f"{root}: no /etc/{NAME}")
    return links(root / f"usr/share/doc/{NAME}")


def links(folder):
    """Every relative link of every document refers to a file in the package; text in code is not a link."""
    found = 0
    for document in folder.rglob("*.md"):
        text = re.sub(r"```.*?```|`[^`\n]*`", "", document.read_text(), flags=re.DOTALL)
        for link in re.findall(r"\]\(([^)#\s]+)", text):
            if not link.startswith(("http://", "https://", "mailto:")):
                found += 1
                check((document.parent / link).exists(), f"{document}: {link} is not there")
    check(found > 100, f"{folder}: only {found} links")
    return found


def files(root):
    control = {".PKGINFO", ".MTREE", ".INSTALL", ".BUILDINFO"}
    # The search path of zsh differs; man pages and all other paths are the same.
    return {
        re.sub("zsh/(vendor-completions|site-functions)", "zsh", str(path.relative_to(root)))
        for path in root.rglob("*")
        if not path.is_dir() and str(path.relative_to(root)) not in control and not path.name.startswith((".SIGN", ".post", ".pre"))
    }


def crates(binary):
    """The list of crates that cargo-auditable added to a binary; its section starts with a zlib header."""
    section = WORK / "section"
    program = WORK / "program"
    program.write_bytes(binary)
    # The readelf of this machine reads sections of any architecture.
    listing = output("readelf", "-S", "-W", program)
    row = re.search(r"\.dep-v0\s+\S+\s+\S+\s+(\S+)\s+(\S+)", listing)
    if not check(row, "the binary has no list of its crates"):
        return set()
    begin, size = (int(number, 16) for number in row.groups())
    section.write_bytes(binary[begin : begin + size])
    listed = json.loads(zlib.decompress(section.read_bytes()))["packages"]
    return {(one["name"], one["version"]) for one in listed if one.get("kind", "runtime") == "runtime"}


def newest_glibc(binary):
    (WORK / "program").write_bytes(binary)
    versions = re.findall(r"GLIBC_(\d+)\.(\d+)", output("readelf", "-V", "-W", WORK / "program"))
    return max((int(major), int(minor)) for major, minor in versions)


def architecture(arch):
    machine = ARCHES[arch][0]
    tarball = the(f"{NAME}-*-linux-{arch}.tar.gz")
    unpacked = WORK / f"{arch}-archive"
    unpacked.mkdir()
    output("tar", "-xzf", tarball, "-C", unpacked, "--strip-components=1")
    binary = (unpacked / NAME).read_bytes()
    check(machine.replace("_", "-").lower() in output("readelf", "-h", unpacked / NAME).replace("_", "-").lower(), f"{tarball.name}: not for {machine}")
    for path in ("man/zookeeper-exporter.1", "completions/zookeeper-exporter.bash", "docs/install.md", "docker-compose.yml", "deploy/kubernetes/kustomization.yaml", "alert-rules/zookeeper.yml", "deploy/mixin/rules.json"):
        check((unpacked / path).exists(), f"{tarball.name} lacks {path}")
    for own in (os.path.expanduser("~/.cargo"), os.getcwd()):
        check(own.encode() not in binary, f"the binary for {arch} names {own}")
    newest = newest_glibc(binary)
    check(newest <= (2, 34), f"the binary for {arch} needs glibc {newest}, packages say 2.34")

    document = json.loads(the(f"{NAME}-*-linux-{arch}.cdx.json").read_text())
    check(document["bomFormat"] == "CycloneDX" and document["specVersion"] == "1.5", "no bill of materials")
    listed = {(one["name"], one["version"]) for one in document["components"]}
    inside = crates(binary) - {(NAME, document["metadata"]["component"]["version"])}
    check(inside and inside <= listed, f"the bill of materials lacks {inside - listed}")
    check(not {name for name, _ in listed} & {"proptest", "trycmd", "clap_mangen"}, "it lists what only tests use")
    bare = [one["name"] for one in document["components"] if not one.get("licenses") or not one.get("hashes")]
    check(not bare, f"without licence or checksum: {bare}")

    packages = {
        "deb": the(f"{NAME}_*_{arch}.deb"),
        "rpm": the(f"{NAME}-*.{machine}.rpm"),
        "archlinux": the(f"{NAME}-*-{machine}.pkg.tar.zst"),
        "apk": the(f"{NAME}*{machine}.apk"),
    }
    seen = {}
    for format, package in packages.items():
        said(format, package, arch)
        root = unpack(format, package, WORK / f"{arch}-{format}" / "root")
        if root:
            found = installed(root, arch, binary)
            seen[format] = files(root)
    for format, names in seen.items():
        extra = {"etc/init.d/zookeeper-exporter"} if format == "apk" else set()
        check(names - extra == seen["deb"], f"{format} for {arch}: other files than the deb: {sorted((names - extra) ^ seen['deb'])[:5]}")
    print(f"{arch}: {len(binary)} bytes, glibc {'.'.join(map(str, newest))}, {len(inside)} crates inside; {', '.join(seen)}: {len(seen['deb'])} files, {found} links")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in packages.values()}


def main():
    present = [arch for arch in ARCHES if list(RELEASE.glob(f"{NAME}-*-linux-{arch}.tar.gz"))]
    for arch in present:
        architecture(arch)
    for why in sorted(set(skipped)):
        print(f"SKIPPED in part: {why}")
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
