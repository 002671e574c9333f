#!/usr/bin/env python3
"""A little client load for a ZooKeeper ensemble: a few clients, a bounded number of operations a second.

usage: zk_load.py [--rate N] HOST:PORT[,HOST:PORT...]

One client for each member; a client whose member dies, hangs or stops serving goes on with the next one. It keeps to
/demo, to a fixed number of znodes. Speaks just enough of the client protocol for that: connect, ping, create, set, get,
delete. Runs until it is ended.
"""

import argparse
import random
import socket
import struct
import sys
import threading
import time

CREATE, DELETE, GET, SET, PING = 1, 2, 4, 5, 11
PING_XID = -2
PERSISTENT, EPHEMERAL = 0, 1
NO_NODE, NODE_EXISTS = -101, -110
SESSION_SECONDS = 6
ANSWER_SECONDS = 2
NODES = 25  # per client
OPEN_ACL = struct.pack(">ii", 1, 31)  # one entry, all permissions; its scheme and id follow


def buffer(value):
    return struct.pack(">i", len(value)) + value


def string(value):
    return buffer(value.encode())


class Refused(Exception):
    """An operation was answered with an error."""

    def __init__(self, code):
        super().__init__(f"error {code}")
        self.code = code


class Session:
    """One connection with a session of its own; every failure is an OSError."""

    def __init__(self, member):
        host, _, port = member.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS)
        self.xid = 0
        try:
            # protocol version, last zxid seen, session timeout, session id, password, read-only
            hello = struct.pack(">iqiq", 0, 0, SESSION_SECONDS * 1000, 0) + buffer(bytes(16)) + b"\0"
            self.socket.sendall(buffer(hello))
            if struct.unpack(">i", self._frame()[4:8])[0] <= 0:
                raise ConnectionError("the session was refused")
        except BaseException:
            self.close()
            raise

    def close(self):
        self.socket.close()

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionError("the connection was closed")
            data += more
        return data

    def _frame(self):
        (size,) = struct.unpack(">i", self._exactly(4))
        if not 0 <= size <= 1 << 20:
            raise ConnectionError(f"an answer of {size} bytes")
        return self._exactly(size)

    def call(self, operation, body=b""):
        if operation == PING:
            xid = PING_XID
        else:
            xid = self.xid = self.xid + 1
        self.socket.sendall(buffer(struct.pack(">ii", xid, operation) + body))
        answer = self._frame()
        if len(answer) < 16:
            raise ConnectionError("an answer without a header")
        answered, _zxid, error = struct.unpack(">iqi", answer[:16])
        if answered != xid:
            raise ConnectionError(f"an answer to {answered} instead of {xid}")
        if error:
            raise Refused(error)

    def create(self, path, data, kind=PERSISTENT):
        acl = OPEN_ACL + string("world") + string("anyone")
        try:
            self.call(CREATE, string(path) + buffer(data) + acl + struct.pack(">i", kind))
        except Refused as refused:
            if refused.code != NODE_EXISTS:
                raise

    def get(self, path):
        self.call(GET, string(path) + b"\0")

    def set(self, path, data):
        self.call(SET, string(path) + buffer(data) + struct.pack(">i", -1))

    def delete(self, path):
        self.call(DELETE, string(path) + struct.pack(">i", -1))


def work(session, home, pause):
    """Operations one after the other, until the connection fails: 1 of 10 creates, 1 deletes, 3 set, 5 get."""
    session.create("/demo", b"")
    session.create(home, b"")
    session.create(f"{home}/lock-{random.getrandbits(32):08x}", b"", EPHEMERAL)
    for number in range(NODES):
        session.create(f"{home}/{number}", bytes(100))
    while True:
        path = f"{home}/{random.randrange(NODES)}"
        dice = random.randrange(10)
        try:
            if dice == 0:
                session.delete(path)
            elif dice == 1:
                session.create(path, bytes(100))
            elif dice < 5:
                session.set(path, random.randbytes(random.randrange(50, 200)))
            else:
                session.get(path)
        except Refused as refused:
            if refused.code != NO_NODE:
                raise ConnectionError(str(refused)) from refused
        if random.randrange(50) == 0:
            session.call(PING)
        time.sleep(pause * random.uniform(0.5, 1.5))


def client(members, number, pause):
    turn = number
    while True:
        member = members[turn % len(members)]
        try:
            session = Session(member)
            print(f"client {number}: with {member}", flush=True)
            try:
                work(session, f"/demo/{number}", pause)
            finally:
                session.close()
        except (OSError, Refused) as problem:
            print(f"client {number}: {member}: {problem}", flush=True)
        turn += 1
        time.sleep(0.5)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=40, metavar="N", help="operations a second of all clients together (default 40)")
    parser.add_argument("members", metavar="HOST:PORT[,HOST:PORT...]")
    arguments = parser.parse_args()
    if arguments.rate <= 0:
        parser.error("--rate wants a number above 0, e.g. --rate 40")
    members = arguments.members.split(",")
    pause = len(members) / arguments.rate
    threads = [threading.Thread(target=client, args=(members, number, pause), daemon=True) for number in range(len(members))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.exit("zk_load: every client ended")  # unreachable: clients run until the process ends


if __name__ == "__main__":
    main()
