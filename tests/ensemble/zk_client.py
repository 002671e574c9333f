#!/usr/bin/env python3
"""An independent ZooKeeper client for the tests.

usage: zk_client.py HOSTS COMMAND [ARG...]

  set PATH DATA [DIGEST]     create (with parents) or change; DIGEST as USER:PASSWORD restricts its ACL to that user
  set-size PATH BYTES        the same with data of this size
  get PATH
  acl PATH                   one entry per line: scheme, id without its hash, permissions as a number
  children PATH              one per line, nothing if the znode does not exist
  hold SOURCE COUNT          open sessions from a source address to the first of HOSTS, print `open`, and keep them until killed
  cpu PATH PID [SECONDS]     write the CPU use of a process in percent of one CPU, once a second
"""

import os
import selectors
import socket
import struct
import sys
import time

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError
from kazoo.security import make_digest_acl


def write(client, path, data, acl=None):
    client.ensure_path(path)
    client.set(path, data)
    if acl:
        client.set_acls(path, acl)


def used(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def hold(hosts, source, count):
    host, port = hosts.split(",")[0].rsplit(":", 1)
    request = struct.pack(">iqiqi16s?", 0, 0, 10_000, 0, 16, bytes(16), False)
    ping = struct.pack(">ii", -2, 11)
    framed = [struct.pack(">i", len(body)) + body for body in (request, ping)]
    held = selectors.DefaultSelector()
    for _ in range(count):
        session = socket.create_connection((host, int(port)), timeout=10, source_address=(source, 0))
        session.sendall(framed[0])
        if not session.recv(1000):
            sys.exit("refused")
        held.register(session, selectors.EVENT_READ)
    print("open", flush=True)
    while True:
        time.sleep(0.5)
        for key, _ in held.select(0):
            key.fileobj.recv(1000)
        for key in held.get_map().values():
            key.fileobj.sendall(framed[1])


def main():
    hosts, command, *args = sys.argv[1:]
    if command == "hold":
        hold(hosts, args[0], int(args[1]))
    client = KazooClient(hosts=hosts, timeout=5, connection_retry={"max_tries": -1}, command_retry={"max_tries": 20})
    client.start(timeout=20)
    if command == "set":
        digest = args[2].split(":") if len(args) > 2 else None
        acl = [make_digest_acl(*digest, all=True)] if digest else None
        write(client, args[0], args[1].encode(), acl)
    elif command == "set-size":
        write(client, args[0], b"x" * int(args[1]))
    elif command == "get":
        print(client.get(args[0])[0].decode())
    elif command == "acl":
        for entry in client.get_acls(args[0])[0]:
            print(entry.id.scheme, entry.id.id.split(":")[0], entry.perms)
    elif command == "children":
        try:
            print("\n".join(sorted(client.get_children(args[0]))))
        except NoNodeError:
            pass
    elif command == "cpu":
        path, pid = args[0], args[1]
        end = time.monotonic() + float(args[2] if len(args) > 2 else 120)
        before, then = used(pid), time.monotonic()
        while time.monotonic() < end:
            time.sleep(1)
            now = time.monotonic()
            after = used(pid)
            client.retry(write, client, path, f"{100 * (after - before) / (now - then):.1f}".encode())
            before, then = after, now
    else:
        sys.exit(__doc__)
    client.stop()


if __name__ == "__main__":
    main()
