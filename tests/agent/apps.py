"""Small real applications for tests, as files of a release, and a way to wait for what they do."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

SLEEPER = f"""#!{sys.executable}
import os, sys, time
print("up", os.environ["SUREFOOT_RELEASE"], os.environ["SUREFOOT_SLOT"], sys.argv[1:], flush=True)
time.sleep(600)
""".encode()

STUBBORN = f"""#!{sys.executable}
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, 1); time.sleep(600)"])
print("child", child.pid, flush=True)
time.sleep(600)
""".encode()

DYING = f"""#!{sys.executable}
print("dying", flush=True)
""".encode()

SERVING = f"""#!{sys.executable}
import http.server, os, pathlib

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = pathlib.Path(os.environ["SUREFOOT_DATA"], "metrics").read_bytes()
        self.send_response(200 if self.path == "/metrics" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("127.0.0.1", int(os.environ["SUREFOOT_METRICS_PORT"])), Page)
print("serving", flush=True)
server.serve_forever()
""".encode()


def until(condition: Callable[[], object], what: str, timeout_s: float = 20.0) -> None:
    """Wait for something another process does; the only kind of waiting in these tests."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s:g} s for {what}"
        time.sleep(0.01)


def gone(pid: int) -> bool:
    """True for a dead process, and for a zombie nobody has collected yet."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    until(lambda: gone(pid), "the killed process")
