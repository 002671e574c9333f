#!/usr/bin/python3
"""The client of Zabbix' API for tests/monitors/zabbix: import, host, items and problems, each with a wait."""

import json
import sys
import time
import urllib.request

TEMPLATE = "ZooKeeper by zookeeper-exporter"
RULES = [
    "groups", "templates", "items", "discoveryRules", "triggers", "graphs", "valueMaps", "templateDashboards",
]


class Api:
    def __init__(self, url):
        self.url, self.token = url, None
        self.token = self.call("user.login", {"user": "Admin", "password": "zabbix"})

    def call(self, method, params):
        body = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1, "auth": self.token}
        request = urllib.request.Request(
            self.url, json.dumps(body).encode(), {"Content-Type": "application/json-rpc"}
        )
        with urllib.request.urlopen(request, timeout=240) as reply:
            answer = json.load(reply)
        if "error" in answer:
            sys.exit(f"FAILED: {method}: {answer['error']}")
        return answer["result"]


def until(seconds, what, look):
    """Polls until the result is true; prints the elapsed time."""
    begun = time.monotonic()
    while True:
        found, seen = look()
        if found:
            print(f"  {what}: after {time.monotonic() - begun:.0f} s", flush=True)
            return found
        if time.monotonic() - begun > seconds:
            sys.exit(f"FAILED: not within {seconds} s: {what}; seen: {seen}")
        time.sleep(1)


class Host:
    """The only host of the test."""

    def __init__(self, api):
        self.api = api
        self.id = api.call("host.get", {"filter": {"host": "zookeeper"}, "output": ["hostid"]})[0]["hostid"]

    def items(self):
        wanted = {"hostids": self.id, "output": ["name", "key_", "lastvalue", "lastclock", "state", "error"]}
        return self.api.call("item.get", wanted)

    def value(self, key):
        return next((item["lastvalue"] for item in self.items() if item["key_"] == key and item["lastclock"] != "0"), None)

    def problems(self):
        """Severity and name of every trigger in problem state that no other trigger suppresses."""
        wanted = {
            "hostids": self.id, "filter": {"value": 1}, "skipDependent": True, "expandDescription": True,
            "output": ["description", "priority"],
        }
        return sorted((int(one["priority"]), one["description"]) for one in self.api.call("trigger.get", wanted))

    def events(self):
        """The names of all problems, open and resolved."""
        wanted = {"hostids": self.id, "output": ["name", "severity", "r_eventid"], "sortfield": "eventid"}
        return self.api.call("event.get", wanted | {"value": 1})


def begin(api, template, url, ensemble, members):
    source = open(template, encoding="utf-8").read()
    rules = {name: {"createMissing": True, "updateExisting": True} for name in RULES if name != "groups"}
    rules["groups"] = {"createMissing": True}
    for time_ in ("first", "second"):
        begun = time.monotonic()
        api.call("configuration.import", {"format": "yaml", "source": source, "rules": rules})
        print(f"  imported for the {time_} time: {time.monotonic() - begun:.0f} s", flush=True)
    found = api.call("template.get", {"filter": {"host": TEMPLATE}, "output": ["templateid"]})
    group = api.call("hostgroup.get", {"filter": {"name": "Linux servers"}, "output": ["groupid"]})
    api.call("host.create", {
        "host": "zookeeper",
        "groups": [{"groupid": group[0]["groupid"]}],
        "templates": [{"templateid": found[0]["templateid"]}],
        "macros": [{"macro": "{$ZK.URL}", "value": url}, {"macro": "{$ZK.INTERVAL}", "value": "3s"}],
    })
    host = Host(api)

    def filled():
        up = [host.value(f'zk.up["{ensemble}","{member}"]') for member in members]
        seen = (up, host.value(f'zk.ensemble_members_up["{ensemble}"]'))
        return all(value and float(value) == 1 for value in up) and float(seen[1] or 0) == len(members), seen

    until(120, f"{len(members)} members and their ensemble discovered, all up", filled)
    until(60, "the role of each member", lambda: (
        (roles := sorted(float(host.value(f'zk.role["{ensemble}","{member}"]') or -1) for member in members))
        == [0.0] + [1.0] * (len(members) - 1), roles))
    leader = host.value(f'zk.leader["{ensemble}"]')
    if leader not in members:
        sys.exit(f"FAILED: the leader is {leader}")
    checked(host)


def checked(host):
    items = host.items()
    broken = [(item["key_"], item["error"]) for item in items if item["state"] != "0"]
    rules = host.api.call("discoveryrule.get", {"hostids": host.id, "output": ["key_", "state", "error"]})
    broken += [(rule["key_"], rule["error"]) for rule in rules if rule["state"] != "0"]
    if broken:
        sys.exit(f"FAILED: not supported: {broken}")
    with_value = sum(item["lastclock"] != "0" for item in items)
    print(f"  {len(items)} items, {with_value} with a value, none unsupported", flush=True)


def main():
    command, url, *rest = sys.argv[1:]
    api = Api(url)
    if command == "begin":
        template, page, ensemble, members = rest
        return begin(api, template, page, ensemble, members.split(","))
    host = Host(api)
    if command == "problem":
        priority, name = int(rest[0]), rest[1]
        until(300, f"problem of severity {priority}: {name}", lambda: ((priority, name) in (seen := host.problems()), seen))
    elif command == "silenced":
        # Longer than the longest duration of a trigger.
        for _ in range(90):
            told = [name for _, name in host.problems() if any(name.endswith(part) for part in rest)]
            if told:
                sys.exit(f"FAILED: told beside something worse: {told}")
            time.sleep(1)
        print(f"  for 90 s silent: {', '.join(rest)}; told: {[name for _, name in host.problems()]}", flush=True)
    elif command == "quiet":
        until(300, "no problem at all", lambda: (not (seen := host.problems()), seen))
    elif command == "events":
        for event in host.events():
            print(f"  {event['severity']} {'resolved' if event['r_eventid'] != '0' else 'open'}: {event['name']}")
    elif command == "checked":
        checked(host)
    else:
        sys.exit(f"no such command: {command}")
    return None


if __name__ == "__main__":
    main()
