#!/usr/bin/env python3
"""What scripts/demo asks the machine and its Prometheus. The exit status is 0 for yes, 1 for no.

usage: demo_ask.py port PORT                       a free port of 127.0.0.1, PORT if that is free
       demo_ask.py ready PID PORT PATH SECONDS     wait until process PID listens on PORT and answers PATH
       demo_ask.py up PORT MEMBER,... SECONDS      wait until Prometheus on PORT holds zk_up 1 for every member
       demo_ask.py page PORT PATH...               the first of these paths that is a page for a browser
       demo_ask.py table PORT MEMBER,...           the members as Prometheus holds them
       demo_ask.py healthy PORT MEMBER,...         does Prometheus still scrape, and is every member up? Says what is not
"""

import http.client
import json
import os
import socket
import sys
import time
import urllib.parse

ADDRESS = "127.0.0.1"
# Older samples mean that Prometheus, which scrapes every 2 s, has stopped.
FRESH_SECONDS = 10


def is_free(port):
    with socket.socket() as probe:
        # As servers do: recently closed connections do not count, a listener does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
            probe.listen(1)
        except OSError:
            return None
        return probe.getsockname()[1]


def free_port(usual):
    return next(filter(None, map(is_free, [usual, usual + 10000, usual + 20000, 0])))


def runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def listens(pid, port):
    """Does this very process listen there? An answer alone could come from another process that was faster."""
    sockets = set()
    for table in ("tcp", "tcp6"):
        try:
            with open(f"/proc/net/{table}") as file:
                rows = [line.split() for line in file.readlines()[1:]]
        except OSError:
            continue
        sockets |= {f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port}
    try:
        descriptors = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return False
    for descriptor in descriptors:
        try:
            if os.readlink(f"/proc/{pid}/fd/{descriptor}") in sockets:
                return True
        except OSError:
            pass
    return False


def get(port, path):
    # Not urllib.request, which would use a proxy from the environment.
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def ready(pid, port, path, seconds):
    deadline = time.monotonic() + seconds
    while runs(pid) and time.monotonic() < deadline:
        try:
            if listens(pid, port) and get(port, path)[0] == 200:
                return True
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.05)
    return False


def query(port, expression):
    """The samples of an instant query as (labels, value); none while Prometheus does not answer."""
    try:
        status, body = get(port, "/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        if status != 200:
            return []
        return [(item["metric"], float(item["value"][1])) for item in json.loads(body)["data"]["result"]]
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return []


def by_member(port, expression):
    return {labels.get("member"): value for labels, value in query(port, expression)}


def missing(port, members):
    up = by_member(port, "zk_up == 1")
    return [member for member in members if member not in up]


def up(port, members, seconds):
    deadline = time.monotonic() + seconds
    while left := missing(port, members):
        if time.monotonic() >= deadline:
            print("Prometheus does not hold zk_up 1 for " + ", ".join(left))
            return False
        time.sleep(0.2)
    return True


def table(port, members):
    state = {labels.get("member"): labels.get("state") for labels, _ in query(port, "zk_server_state == 1")}
    version = {labels.get("member"): labels.get("version") for labels, _ in query(port, "zk_member_info")}
    connections = by_member(port, "zk_num_alive_connections")
    znodes = by_member(port, "zk_znodes")
    lag = by_member(port, "zk_zxid_lag")
    zxid = by_member(port, "zk_zxid_epoch * 4294967296 + zk_zxid_sequence")

    def shown(values, member, form):
        return form(values[member]) if values.get(member) is not None else "-"

    rows = [["MEMBER", "ROLE", "VERSION", "CONNECTIONS", "ZNODES", "LAG", "ZXID"]]
    for member in members:
        rows.append([
            member,
            state.get(member) or "-",
            version.get(member) or "-",
            shown(connections, member, "{:.0f}".format),
            shown(znodes, member, "{:.0f}".format),
            shown(lag, member, "{:.0f}".format),
            shown(zxid, member, lambda value: f"{int(value):#x}"),
        ])
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        cells = [cell.ljust(width) if number < 3 else cell.rjust(width) for number, (cell, width) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip())
    return True


def page(port, paths):
    for path in paths:
        try:
            connection = http.client.HTTPConnection(ADDRESS, port, timeout=5)
            connection.request("GET", path)
            answer = connection.getresponse()
            # Debian's Alertmanager answers with a text that it has no pages.
            if answer.status == 200 and b"<script" in answer.read():
                print(path)
                return True
        except (OSError, http.client.HTTPException):
            pass
    return False


def healthy(port, members):
    scraped = query(port, f'up{{job="zookeeper"}} == 1 and time() - timestamp(up{{job="zookeeper"}}) < {FRESH_SECONDS}')
    if not scraped:
        print("Prometheus does not scrape the exporter any more")
        return False
    if left := missing(port, members):
        print("not up: " + ", ".join(left))
        return False
    return True


def main(arguments):
    match arguments:
        case ["port", usual]:
            print(free_port(int(usual)))
            return True
        case ["ready", pid, port, path, seconds]:
            return ready(int(pid), int(port), path, float(seconds))
        case ["up", port, members, seconds]:
            return up(int(port), members.split(","), float(seconds))
        case ["page", port, *paths]:
            return page(int(port), paths)
        case ["table", port, members]:
            return table(int(port), members.split(","))
        case ["healthy", port, members]:
            return healthy(int(port), members.split(","))
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1:]) else 1)
