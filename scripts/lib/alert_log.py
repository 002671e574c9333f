#!/usr/bin/env python3
"""A webhook for Alertmanager that writes a line for every alert that begins or ends.

usage: alert_log.py [ADDRESS:]PORT [FILE]

Listens on ADDRESS, or else on 127.0.0.1, and writes to FILE, which may be a pipe, or else to the standard output,
separated by tabs and with "-" for what is missing: time, FIRING or RESOLVED, severity, name, ensemble, member, summary.
A notification that repeats what was said is not written again.
"""

import datetime
import http.server
import json
import signal
import sys


def field(value):
    return " ".join(str(value or "").split()) or "-"


class Hook(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    told = {}  # fingerprint -> last printed state

    def do_GET(self):
        self.answer(200)

    def do_POST(self):
        try:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            lines = [line for alert in json.loads(body)["alerts"] for line in self.news(alert)]
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            print(f"alert_log: not a notification: {problem!r}", file=sys.stderr, flush=True)
            return self.answer(400)
        self.server.output.write("".join(lines))
        self.server.output.flush()
        self.answer(200)

    def news(self, alert):
        labels, notes, status = alert["labels"], alert.get("annotations", {}), alert["status"]
        key = alert.get("fingerprint") or json.dumps(labels, sort_keys=True)
        state = (status, alert.get("startsAt"))
        if self.told.get(key) == state:
            return
        self.told[key] = state
        clock = datetime.datetime.now().strftime("%H:%M:%S")
        names = ("severity", "alertname", "ensemble", "member")
        yield "\t".join([clock, field(status).upper(), *(field(labels.get(name)) for name in names), field(notes.get("summary"))]) + "\n"

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


def main():
    address, _, port = sys.argv[1].rpartition(":") if len(sys.argv) in (2, 3) else ("", "", "")
    if not port.isdecimal():
        sys.exit("usage: alert_log.py [ADDRESS:]PORT [FILE]")
    # The first process of a container ignores a signal without a handler.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = Server((address or "127.0.0.1", int(port)), Hook)
    server.output = open(sys.argv[2], "w", encoding="utf-8") if len(sys.argv) == 3 else sys.stdout
    server.serve_forever()


if __name__ == "__main__":
    main()
