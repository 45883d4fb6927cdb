"""Which of what people decided is in force: the pointer to the last fold of the log of decisions.

A fold's segments are immutable. The pointer appears whole, and the views follow it, so that readers
see the labels before a fold or after it and nothing between.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from scenekeeper.errors import DatasetError

FILE = "review/applied.json"
BY_SESSION = ("rulings", "drawn")
"""Tables that hold for the instances of one run only: a segment per session."""
OF_ALL = ("sayings", "names")
"""Tables that hold for whatever is labelled: one segment, as if of a session of this name:"""
EVERY = "every"


@dataclass(frozen=True)
class Applied:
    """What is in force.

    Attributes:
        fold: run of the rulings, drawn, sayings and names; empty = nothing was decided yet.
        events: number of the last event that it knows of.
        runs: per session, the run of the instances that its rulings hold for.
        trust: run of the trust; empty = there is none.
        trusted: per session, the run of the instances that its trust holds for. What is certified
            is so of these together, and not once any of them has changed.
        remarks: of decisions that somebody should know something of: event, kind and text.
    """

    fold: str = ""
    events: int = 0
    runs: Mapping[str, str] = field(default_factory=dict)
    trust: str = ""
    trusted: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[tuple[int, str, str], ...] = ()

    def to_json(self) -> str:
        """As JSON text."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"


def read(dataset: Path) -> Applied | None:
    """What is in force in a dataset; ``None`` if nobody has reviewed anything.

    Raises:
        DatasetError: the pointer is damaged.
    """
    file = dataset / FILE
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        remarks = tuple((int(e), str(k), str(t)) for e, k, t in data.pop("remarks"))
        return Applied(**data, remarks=remarks)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        remedy = f"Delete it; `scenekeeper review {dataset}` makes it anew from the decisions."
        raise DatasetError(f"is damaged ({error})", path=file, remedy=remedy) from error


def segments(
    dataset: Path, applied: Applied, current: Mapping[str, Mapping[str, str]]
) -> dict[str, list[str]]:
    """Per table, the segments that hold for the labels in force, relative to the dataset.

    Args:
        dataset: its folder.
        applied: what is in force of people's decisions.
        current: per session, the run in force of each table.
    """
    names = {table: [f"{applied.fold}/{EVERY}-all"] for table in OF_ALL}
    instances = {session: runs.get("instances") for session, runs in current.items()}
    for table in BY_SESSION:
        held = [s for s, run in sorted(applied.runs.items()) if instances.get(s) == run]
        names[table] = [f"{applied.fold}/{session}-all" for session in held]
    held = [s for s, run in sorted(applied.trusted.items()) if instances.get(s) == run]
    names["trust"] = [f"{applied.trust}/{session}-all" for session in held]
    return {
        table: [f for f in (f"labels/{table}/{n}.parquet" for n in each) if (dataset / f).exists()]
        for table, each in names.items()
    }


def is_certified(applied: Applied, current: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether what is certified still is: no session's instances have changed, none has come."""
    labelled = {s: runs["instances"] for s, runs in current.items() if "instances" in runs}
    return dict(applied.trusted) == labelled
