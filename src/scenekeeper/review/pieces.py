"""What people decided of a track, frame by frame: constant over ranges of frames, last word wins.

A track's frames are cut where a decision begins or ends. Between two cuts one state holds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

EVER = (-(2**62), 2**62)
"""First and last frame of a decision that covers all frames."""

Range = tuple[int, int]
"""First and last frame, inclusive."""


@dataclass(frozen=True)
class State:
    """What holds of a track in some frames.

    Attributes:
        node: the thing that it is: its own number, or one that a split has made.
        there: whether there is such a thing.
        phrase: what a person calls it; ``None`` = nobody has said.
        t_ns: when that was said.
        status: how far people stand behind it, see :data:`scenekeeper.schema.STATUSES`.
        event: number of the last event that changed anything; 0 = none has.
    """

    node: int
    there: bool = True
    phrase: str | None = None
    t_ns: int | None = None
    status: str = "auto"
    event: int = 0


Pieces = tuple[tuple[int, State], ...]
"""From which frame on which state holds, ascending; the first one holds from ever."""


def untouched(node: int) -> Pieces:
    """Nobody has decided anything."""
    return ((EVER[0], State(node)),)


def at(pieces: Pieces, frame_id: int) -> State:
    """The state in a frame."""
    return pieces[bisect_right(pieces, frame_id, key=_start) - 1][1]


def changed(pieces: Pieces, span: Range, change: Callable[[State], State]) -> Pieces:
    """Pieces with the states of some frames changed."""
    first, last = span
    if first > last:
        return pieces
    low = bisect_right(pieces, first, key=_start) - 1
    high = bisect_right(pieces, last, key=_start)
    out = list(pieces[: low + (pieces[low][0] < first)])
    for start, state in pieces[low:high]:
        _put(out, max(start, first), change(state))
    if last < EVER[1] and (high == len(pieces) or pieces[high][0] > last + 1):
        _put(out, last + 1, pieces[high - 1][1])
    for start, state in pieces[high : high + 1]:
        _put(out, start, state)
    return (*out, *pieces[high + 1 :])


def _put(out: list[tuple[int, State]], start: int, state: State) -> None:
    if not out or out[-1][1] != state:
        out.append((start, state))


def _start(piece: tuple[int, State]) -> int:
    return piece[0]


def spans(pieces: Pieces, within: Range) -> Iterator[tuple[int, int, State]]:
    """First and last frame and state of every piece, cut to a range."""
    for k, (start, state) in enumerate(pieces):
        stop = pieces[k + 1][0] - 1 if k + 1 < len(pieces) else EVER[1]
        begin, end = max(start, within[0]), min(stop, within[1])
        if begin <= end:
            yield begin, end, state


def without(span: Range, taken: Iterable[Range]) -> list[Range]:
    """What is left of a range."""
    left = [span]
    for first, last in taken:
        left = [
            part
            for begin, end in left
            for part in ((begin, min(end, first - 1)), (max(begin, last + 1), end))
            if part[0] <= part[1]
        ]
    return left


Verdicts = Mapping[frozenset[int], tuple[bool, int]]
"""Per pair, whether the two are one thing, and the number of the event that says so."""


def united(verdicts: Verdicts) -> tuple[dict[int, frozenset[int]], list[tuple[int, int]]]:
    """Which things are one, by what people said of pairs of them.

    What is one with the same is one, unless somebody said that it is not. Then the oldest of the
    events that together say otherwise does not count.

    Returns:
        Per thing that is one with others, all of them with itself; and the events that do not
        count, each with the one that speaks against it.
    """
    groups: dict[int, frozenset[int]] = {}
    dropped = []
    apart = {pair: seq for pair, (same, seq) in verdicts.items() if not same}
    for pair, (same, seq) in sorted(verdicts.items(), key=lambda item: -item[1][1]):
        if not same:
            continue
        joined = frozenset().union(*(groups.get(n, {n}) for n in pair))
        against = [other for two, other in apart.items() if two <= joined]
        if against:
            dropped.append((seq, max(against)))
            continue
        groups |= dict.fromkeys(joined, joined)
    return groups, dropped
