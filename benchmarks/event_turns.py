"""What an event costs in two checkouts, in turns on one machine, so that its moods fall on both alike.

    python benchmarks/event_turns.py --checkout ../before --checkout . --blocks 24

Each checkout runs in a process of its own, with the interpreter in its `.venv` where there is one: the system
of `request_cost.py --items 10000 --live` takes in blocks of 2,000 events. Told are processor microseconds an
event, and the median ratio of the first checkout to the last, pair by pair.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

BLOCK, ITEMS = 2_000, 10_000
WORKER = f"""
import sys, time
sys.path.insert(0, "benchmarks")
import prepared
from generated import generated_system
from polyscene.core.seeds import generator
from polyscene.core.threads import set_threads
from polyscene.engine.state import CodedEvent
set_threads(1)
system = generated_system({ITEMS}, {ITEMS} // 2, 0, True)
state, draws = system.scenario("generated"), generator(0, "requests")

def block(count):
    users = draws.integers(0, len(system.users), count).tolist()
    items = draws.choice(state.log.events().item, count).tolist()
    rows = enumerate(zip(users, items), state.latest + 1)
    events = [CodedEvent(user, item, 0, float("nan"), 1.0, True, at) for at, (user, item) in rows]
    start = time.process_time()
    for event in events:
        with system.lock.writing():
            state.observe(event)
    return 1e6 * (time.process_time() - start) / count

block(50)
print("ready", flush=True)
for _ in sys.stdin:
    print(block({BLOCK}), flush=True)
"""


def started(checkout: Path) -> subprocess.Popen[str]:
    """Return a process that measures a block for each line that it is sent."""
    own = checkout.resolve() / ".venv" / "bin" / "python"
    command = [str(own) if own.exists() else sys.executable, "-c", WORKER]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=checkout, stdin=pipe, stdout=pipe, text=True)
    answered(process)
    return process


def answered(process: subprocess.Popen[str]) -> str:
    """Return the next line that a process prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def measured(process: subprocess.Popen[str]) -> float:
    """Return the processor microseconds an event of one block."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return float(answered(process))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure in turns and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkout", type=Path, action="append", required=True, help="two of them")
    parser.add_argument("--blocks", type=int, default=24, help="of each; default: 24")
    options = parser.parse_args(arguments)
    processes = [started(checkout) for checkout in options.checkout]
    rows = [[measured(process) for process in processes] for _ in range(options.blocks)]
    for process in processes:
        process.terminate()
    for checkout, costs in zip(options.checkout, zip(*rows, strict=True), strict=True):
        print(f"{checkout}: median {statistics.median(costs):.1f}, least {min(costs):.1f} us an event")
    print(f"first to last: {statistics.median(row[0] / row[-1] for row in rows):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
