"""A reviewer in a process of its own: takes cards that nobody holds, and decides on them.

Prints the id of each decision once it is acknowledged.
"""

from __future__ import annotations

import sys
from pathlib import Path

from scenekeeper.review.events import Decision, Subject
from scenekeeper.review.log import Log


def decision(actor: str, number: int, track: int) -> Decision:
    subject = Subject("track", "kitchen", track)
    return Decision(f"{actor}-{number:06d}", "accept", subject, actor=actor, base=0)


def main(dataset: str, actor: str, tracks: int, batch: int) -> None:
    with Log.open(Path(dataset)) as log:
        done = 0
        for start in range(0, tracks, batch):
            cards = [f"track {n}" for n in range(start, min(start + batch, tracks))]
            mine = [int(key.split()[1]) for key in log.lease(cards, actor, 600)]
            decisions = [decision(actor, done + k, n) for k, n in enumerate(mine)]
            done += len(decisions)
            for receipt in log.append(decisions):
                print(receipt.id, receipt.status, receipt.seq, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
