"""On a second visit things keep their ids, and what has changed is told, not what was unseen.

Claim: of things that both visits show, 95 % of those that stayed and 85 % of those that moved keep
their id, at most 1 % get an id that was another thing's, what has come, gone or moved is told with
an F1 of .90, and nothing is called new or gone because one visit did not see it. Homes are
simulated from seeds that no threshold was chosen on (those are below 10,000), visited twice along
different ways with up to sixteen changes in between; the second visit comes in the same frame and
in a frame of its own; labels are exact, and wrong the way detectors are. Colours, sizes and places
must do: there are no embeddings. The claim is about exact labels in the same frame; the whole table
goes to standard error. Changes are told apart from what the recordings do not show: a thing that
was found in neither visit cannot be missed, nor can one tell that something was taken from where no
picture has looked since, or that it came to where none had looked before (``looked_at.py``).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.harness import Result
from benchmarks.revisited import FRAMES, KINDS, LABELS, Outcome, home, labelled, outcome

HOMES, FIRST_SEED = 24, 10_000
CLAIMED = ("exact labels", "same frame")
TOLD = ("added", "taken", "moved")

Cell = tuple[str, str]


def run(homes: int = HOMES, first_seed: int = FIRST_SEED, verbose: bool = False) -> Result:
    seeds = range(first_seed, first_seed + homes)
    with tempfile.TemporaryDirectory() as folder:
        # A fresh process each: what one home fills up is given back.
        pool = ProcessPoolExecutor(2, mp_context=get_context("spawn"))
        with pool:
            every = list(pool.map(partial(_visit, Path(folder)), seeds))
    table = {cell: [one[cell] for one in every] for cell in every[0]}
    print("\n".join(_table(table, verbose)), file=sys.stderr, flush=True)
    return result(table)


def _visit(folder: Path, seed: int) -> dict[Cell, Outcome]:
    made = home(folder / f"home-{seed}", seed)
    return {
        (labels, frame): outcome(made, labelled(made, labels, frame), frame)
        for labels in LABELS
        for frame in FRAMES
    }


def result(table: Mapping[Cell, Sequence[Outcome]]) -> Result:
    """The claim's verdict."""
    claimed = table[CLAIMED]
    every = [o for cell in table.values() for o in cell]
    stayed, moved, reused = (_share(claimed, name) for name in ("stayed", "moved", "reused"))
    apart = [o for (_, frame), cell in table.items() if frame == FRAMES[1] for o in cell]
    placed = [o for o in apart if not o.refused]
    off = 100 * float(np.median([o.metres for o in placed])) if placed else float("nan")
    return Result(
        name="world_visits",
        input=f"{len(claimed)} simulated homes visited twice, up to 16 changes in between",
        unit="% F1 of what came, went or moved",
        ours=100 * f1(claimed, TOLD),
        target=90,
        target_of="ours",
        better="more",
        further={
            "95 % of what stayed keeps its id": stayed >= 0.95,
            "85 % of what moved does": moved >= 0.85,
            "at most 1 % get another thing's": reused <= 0.01,
            "unexplored space changes nothing": not sum(o.unexplored for o in every),
        },
        note=f"ids kept: {stayed:.1%} of what stayed, {moved:.1%} of what moved; {reused:.1%} are"
        f" another's; {sum(o.refused for o in apart)} of {len(apart)} in a frame of their own"
        f" refused, the others {off:.1f} cm off",
    )


def _share(cell: Sequence[Outcome], name: str) -> float:
    right, total = np.sum([getattr(o, name) for o in cell], 0)
    return float(right / max(total, 1))


def f1(cell: Sequence[Outcome], kinds: Sequence[str]) -> float:
    """F1 of the changes of some kinds, all homes together."""
    there, said, right = (
        sum((getattr(o, name) for o in cell), Counter[str]()) for name in ("there", "said", "right")
    )
    return 2 * sum(right[k] for k in kinds) / max(1, sum(there[k] + said[k] for k in kinds))


def _table(table: Mapping[Cell, Sequence[Outcome]], verbose: bool) -> Iterator[str]:
    columns = ("stayed", "moved", "reused", "F1 all", "came/went/moved", *KINDS, "unexplored")
    yield f"{'':26}" + "".join(f"{name:>17}" for name in (*columns, "off, cm", "refused"))
    for (labels, frame), cell in table.items():
        shares = [_share(cell, name) for name in columns[:3]]
        kinds = [f1(cell, of) for of in (KINDS, TOLD, *((k,) for k in KINDS))]
        off = [o.metres for o in cell if not o.refused]
        values = [f"{v:.3f}" for v in (*shares, *kinds)]
        values += [str(sum(o.unexplored for o in cell))]
        values += [f"{100 * float(np.median(off)):.1f}" if off else "-"]
        values += [str(sum(o.refused for o in cell))]
        yield f"{labels + ', ' + frame:26}" + "".join(f"{v:>17}" for v in values)
        there = sum((o.there for o in cell), Counter[str]())
        yield f"{'':26}" + f"{'':17}" * 5 + "".join(f"{'of ' + str(there[k]):>17}" for k in KINDS)
        for o in cell if verbose else ():
            yield from (f"    {line}" for line in o.wrong)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", type=int, default=HOMES)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--verbose", action="store_true")
    chosen = parser.parse_args()
    print(run(chosen.homes, chosen.first_seed, chosen.verbose))
