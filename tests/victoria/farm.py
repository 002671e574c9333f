#!/usr/bin/env python3
"""Stand-in members: ensembles of three that reply as recorded from a real ensemble, on a network 127.N.0.0/16.

usage: farm.py ENSEMBLES

Prints one line per ensemble with its members, separated by commas, then an empty line. Each line of standard input is
`down MEMBER` or `up MEMBER`; the farm ends with its input. A member that is down refuses connections, and its leader
reports one synced follower less.
"""

import asyncio
import functools
import os
import random
import re
import resource
import sys

FIXTURES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fixtures/3.9.3")
MEMBERS = 3
PORT = 2181
NETWORK = f"127.{random.randrange(80, 250)}"


def recorded(role, command):
    with open(os.path.join(FIXTURES, role, f"{command}.txt"), encoding="utf-8") as file:
        return file.read()


def addresses(ensemble):
    return [f"{NETWORK}.{ensemble // 80}.{ensemble % 80 * MEMBERS + number + 1}" for number in range(MEMBERS)]


@functools.cache
def status(role, command, followers):
    """The reply of a leader with this number of synced followers and no observers, or of a follower."""
    text = recorded(role, command)
    return re.sub(r"(zk_synced_followers\t)\d+", rf"\g<1>{followers}", re.sub(r"(zk_synced_observers\t)\d+", r"\g<1>0", text)).encode()


class Ensemble:
    """The first member leads."""

    def __init__(self, number):
        self.hosts = addresses(number)
        self.servers = {}

    def conf(self, host):
        servers = "\n".join(f"server.{number + 1}={one}:2888:3888:participant;{one}:{PORT}" for number, one in enumerate(self.hosts))
        text = recorded("leader" if host == self.hosts[0] else "follower", "conf").split("membership:")[0]
        text = re.sub(r"clientPort=\d+", f"clientPort={PORT}", text)
        text = re.sub(r"serverId=\d+", f"serverId={self.hosts.index(host) + 1}", text)
        return f"{text}membership: \n{servers}\nversion=0"

    def reply(self, host, command):
        if command == "conf":
            return self.conf(host).encode()
        if command not in ("mntr", "srvr"):
            return b""
        if host != self.hosts[0]:
            return status("follower", command, 0)
        return status("leader", command, sum(one in self.servers for one in self.hosts[1:]))

    async def up(self, host):
        async def answer(reader, writer):
            try:
                command = (await asyncio.wait_for(reader.readexactly(4), 5)).decode(errors="replace")
                writer.write(self.reply(host, command))
                await asyncio.wait_for(writer.drain(), 5)
            except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
                pass
            writer.close()

        self.servers[host] = await asyncio.start_server(answer, host, PORT, backlog=64)

    def down(self, host):
        self.servers.pop(host).close()


async def main():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    ensembles = {}
    for number in range(int(sys.argv[1])):
        ensemble = Ensemble(number)
        for host in ensemble.hosts:
            ensembles[host] = ensemble
            await ensemble.up(host)
        print(",".join(f"{host}:{PORT}" for host in ensemble.hosts))
    print(flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        action, member = line.split()
        host = member.rpartition(":")[0]
        if action == "down":
            ensembles[host].down(host)
        else:
            await ensembles[host].up(host)


if __name__ == "__main__":
    asyncio.run(main())
