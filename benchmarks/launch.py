"""Runs one command and says what it cost. Small: Linux charges a child for the size of its parent.

    python benchmarks/launch.py COSTS.json [--until-ready PORT] -- COMMAND ...

The file gets seconds by the clock, processor seconds and peak memory of the command, and its exit code. With
--until-ready the clock stops when `GET /health/ready` answers 200 on that port; the command is then ended.
"""

import json
import os
import signal
import socket
import sys
import time

PATIENCE = 120.0
EVERY = 0.02
READY = b"GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


def is_ready(port: int) -> bool:
    """Return whether a service on this machine says that it is ready."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
            connection.sendall(READY)
            return connection.recv(64).split()[1:2] == [b"200"]
    except OSError:  # not listening yet
        return False


def wait_until_ready(child: int, port: int, deadline: float) -> bool:
    """Return whether the service became ready before it ended, and in time; it is then asked to end."""
    while time.perf_counter() < deadline:
        if is_ready(port):
            os.kill(child, signal.SIGTERM)
            return True
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return False
        time.sleep(EVERY)
    os.kill(child, signal.SIGKILL)
    return False


def launch(command: list[str], port: int | None) -> dict[str, float | int]:
    """Run the command and return its costs.

    Args:
        command: the program and its arguments; its output goes where ours goes.
        port: of a service whose readiness is waited for; None: for the command's end.

    Returns:
        seconds, processor seconds, peak memory in MiB, and the exit code: 0 of a service that was ready.
    """
    start = time.perf_counter()
    child = os.posix_spawn(command[0], command, os.environ)
    ready = port is not None and wait_until_ready(child, port, start + PATIENCE)
    seconds = time.perf_counter() - start
    _, status, usage = os.wait4(child, 0)
    if port is None:
        seconds = time.perf_counter() - start
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return {
        "seconds": round(seconds, 3),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
        "peak_mb": round(usage.ru_maxrss / unit, 1),
        "code": 0 if ready else os.waitstatus_to_exitcode(status),
    }


if __name__ == "__main__":
    split = sys.argv.index("--")
    options, words = sys.argv[1:split], sys.argv[split + 1 :]
    costs = launch(words, int(options[2]) if len(options) > 1 else None)
    with open(options[0], "w", encoding="utf-8") as file:
        json.dump(costs, file)
