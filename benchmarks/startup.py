"""``scenekeeper --help`` answers within 0.15 CPU-seconds.

Claim: nothing heavy is imported before a verb needs it. User and system time of a fresh process.
Peer: ``rosbags-convert --help``, a command line of the same trade that comes with rosbags and is
therefore always here. Limit: the interpreter doing nothing.
"""

from __future__ import annotations

import statistics
import sys
from importlib.metadata import version

from benchmarks.harness import Result, child, script

REPEATS = 9
COMMANDS = {
    "ours": [script("scenekeeper"), "--help"],
    "peer": [script("rosbags-convert"), "--help"],
    "limit": [sys.executable, "-c", "pass"],
    "heavy": [sys.executable, "-c", "import duckdb, numpy, pyarrow"],
}


def run() -> Result:
    taken: dict[str, list[float]] = {side: [] for side in COMMANDS}
    for _ in range(REPEATS + 1):
        for side, command in COMMANDS.items():
            taken[side].append(child(command).cpu)
    seconds = {side: statistics.median(times[1:]) for side, times in taken.items()}
    return Result(
        name="startup",
        input="scenekeeper --help in a fresh process",
        unit="CPU-s",
        ours=seconds["ours"],
        peer=seconds["peer"],
        peer_name=f"rosbags-convert --help, rosbags {version('rosbags')}",
        target=0.15,
        target_of="ours",
        limit=seconds["limit"],
        limit_name="python -c pass",
        note=f"importing duckdb, numpy and pyarrow, which it puts off, takes {seconds['heavy']:.2f}"
        " CPU-s",
    )
