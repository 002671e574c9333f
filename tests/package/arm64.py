#!/usr/bin/env python3
"""Runs an exporter of another architecture under qemu, and scrapes a stand-in member through it.

usage: arm64.py EXPORTER QEMU [ARGUMENT...]

Run from the top folder. The exported metrics are compared with the fixture.
"""

import pathlib
import re
import socket
import subprocess
import sys
import time
import urllib.request

sys.path.append("tests/deploy")
from pod import Member

DEADLINE = 60


def main():
    exporter, *qemu = sys.argv[1:] if len(sys.argv) > 2 else sys.exit(__doc__)
    member = Member()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = subprocess.Popen([*qemu, exporter, f"--zookeeper=arm={member.name}", f"--web.listen-address={address}"], stderr=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + DEADLINE
        while True:
            try:
                page = urllib.request.urlopen(f"http://{address}/metrics", timeout=20).read().decode()
                break
            except OSError:
                assert time.monotonic() < end, "it does not serve"
                time.sleep(0.2)
        keys = dict(line.split("\t", 1) for line in pathlib.Path("tests/fixtures/3.9.3/follower/mntr.txt").read_text().splitlines() if "\t" in line)
        for metric, key in (("zk_znodes", "zk_znode_count"), ("zk_watches", "zk_watch_count"), ("zk_packets_received_total", "zk_packets_received")):
            value = re.search(rf'^{metric}{{ensemble="arm",member="{member.name}"}} (\S+)$', page, re.M)
            assert value and float(value[1]) == float(keys[key]), f"{metric}: {value and value[0]}, mntr has {keys[key]}"
        assert f'zk_up{{ensemble="arm",member="{member.name}"}} 1' in page, page[:2000]
        healthy = subprocess.run([*qemu, exporter, "healthy", f"--web.listen-address={address}"], timeout=30, capture_output=True)
        assert healthy.returncode == 0, healthy.stderr
    finally:
        process.terminate()
        code = process.wait(30)
    assert code == 0, f"it ends with {code}: {process.stderr.read()}"
    print(f"  under {qemu[0]}: {len(page.splitlines())} lines of a member, equal to its mntr; healthy; stopped")


if __name__ == "__main__":
    main()
