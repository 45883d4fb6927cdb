"""What the machine knows of its own doubt, read off every hop of a labelled dataset.

In: a dataset's tables. Out: :class:`Units`, one row per track, a column per signal. Columns are on
fixed scales, so that a model's weights mean the same in every dataset; what was not measured is 0,
which is what is typical.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.special import logit

from scenekeeper.review.signals_sql import signals_sql
from scenekeeper.review.units import Units
from scenekeeper.schema import NO_ID
from scenekeeper.store import Dataset, atomic, fingerprint

Float = NDArray[np.float64]

VERSION = 2
"""Of what is computed here; another one makes caches anew."""

SURE = 0.995
"""Beliefs are not taken to be surer than this: no model knows better of itself."""


@dataclass(frozen=True)
class Signal:
    """One column.

    Attributes:
        name: in words, as people are told why a track is doubted.
        typical: value of a usual track,
        spread: and how much usual tracks differ; the column is (value - typical) / spread.
    """

    name: str
    typical: float
    spread: float


SIGNALS: tuple[Signal, ...] = (
    # How sure the models are. Logits; of the world, of the detector, of the segmenter.
    Signal("weak existence", -2.0, 1.5),
    Signal("weak score", 0.0, 1.5),
    Signal("weakest score", 1.0, 0.5),
    Signal("weak mask", -2.0, 1.5),
    Signal("rival name", -2.0, 1.5),
    Signal("torn detector", 0.5, 0.5),
    Signal("unnamed", 0.0, 1.0),
    # Whether they agree: shares of the frames, or of the sentences, that call it otherwise.
    Signal("changing names", 0.1, 0.25),
    Signal("disagreement", 0.15, 0.25),
    Signal("unsure words", 0.4, 0.25),
    Signal("count", 0.0, 1.0),
    # How it moves. Logs, but for gaps, the share of its time in which it is not labelled.
    Signal("gaps", 0.1, 0.25),
    Signal("area jumps", -1.6, 0.8),
    Signal("jerk", -1.5, 0.9),
    # What the world says: logs of errors over the usual; shares of its frames.
    Signal("odd size", 0.8, 0.8),
    Signal("3D residual", -2.0, 0.8),
    Signal("expected but missed", 0.0, 0.25),
    Signal("redrawn", 0.0, 0.25),
    Signal("not placed", 0.0, 0.25),
    # What it is seen by: logs of frames and pixels; shares of its frames.
    Signal("short", -3.7, 1.0),
    Signal("small", -4.2, 0.75),
    Signal("cut off", 0.2, 0.35),
    Signal("blur", 0.05, 0.2),
    Signal("exposure", 0.0, 0.2),
    Signal("look-alike", 0.0, 0.5),
)
NAMES = tuple(signal.name for signal in SIGNALS)


def units(dataset: Dataset) -> Units:
    """The tracks of a dataset with what is known of each.

    They are of the labels as machines made them: what people decided since is not among it. Labels
    without a track cannot be spoken of as a track and are left out. Kept under ``cache/`` of the
    dataset, if that can be written.

    Raises:
        DatasetError: the tables cannot be read.
    """
    runs = {session: dataset.current(session) for session in dataset.sessions()}
    key = fingerprint({"signals": VERSION, "names": list(NAMES), "runs": _machine(runs)})
    file = dataset.path / "cache" / "review" / f"units-{key}.parquet"
    if (kept := _cached(file)) is not None:
        return kept
    made = of_table(dataset.sql(signals_sql(dataset, runs)), snapshot(dataset))
    try:
        with atomic.replacing(file) as temporary:
            pq.write_table(_to_table(made), temporary, compression="zstd", compression_level=1)
        for other in file.parent.glob("units-*.parquet"):
            if other != file:  # of labels that are no longer in force
                other.unlink(missing_ok=True)
    except OSError:
        pass  # a dataset that can only be read is read anew each time
    return made


def snapshot(dataset: Dataset) -> str:
    """Fingerprint of the labels of tracks: it changes when any session is labelled anew."""
    runs = {session: dataset.current(session) for session in dataset.sessions()}
    return fingerprint({s: [of.get("instances"), of.get("objects")] for s, of in runs.items()})


def of_table(rows: pa.Table, snapshot: str) -> Units:
    """Units from one row per track.

    Args:
        rows: columns ``session, track, object, phrase, frames, first, last, size_px, p, names``,
            and one per signal that was measured, unscaled; null = not measured.
        snapshot: of the labels.
    """
    names = rows["names"].to_pylist()
    phrases = tuple(rows["phrase"].to_pylist())
    return Units(
        snapshot=snapshot,
        session=tuple(rows["session"].to_pylist()),
        track=_whole(rows["track"]),
        object=_whole(rows["object"]),
        phrase=phrases,
        frames=_whole(rows["frames"]),
        first=_whole(rows["first"]),
        last=_whole(rows["last"]),
        size_px=_real(rows["size_px"]),
        choices=tuple(_choices(p, n) for p, n in zip(phrases, names, strict=True)),
        signals=NAMES,
        X=scaled({name: _real(rows[name]) for name in NAMES if name in rows.column_names}),
        logit=logit(np.clip(np.nan_to_num(_real(rows["p"]), nan=0.5), 1 - SURE, SURE)),
    )


def scaled(raw: Mapping[str, Float]) -> Float:
    """Columns ``[N, F]`` in the order of :data:`SIGNALS` from values as measured.

    Args:
        raw: by name, ``[N]``; NaN = not measured. A name that is missing was not measured at all.
    """
    n = len(next(iter(raw.values())))
    X = np.zeros((n, len(SIGNALS)))
    for k, signal in enumerate(SIGNALS):
        if signal.name in raw:
            column = (raw[signal.name] - signal.typical) / signal.spread
            X[:, k] = np.clip(np.nan_to_num(column, nan=0.0, posinf=3.0, neginf=-3.0), -3, 3)
    return X


# --- columns --------------------------------------------------------------------------------------


def _whole(column: pa.ChunkedArray) -> NDArray[np.int64]:
    return np.asarray(column.fill_null(NO_ID).to_numpy(), np.int64)


def _real(column: pa.ChunkedArray) -> Float:
    return np.asarray(column.cast(pa.float64()).fill_null(np.nan).to_numpy(), np.float64)


def _choices(phrase: str, names: list[tuple[str, float | None]] | None) -> dict[str, float]:
    """What it may be called, best first; what the machine calls it is always among it."""
    found = {name: float(p) for name, p in names or () if p is not None}
    found.setdefault(phrase, max(found.values(), default=1.0))
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0] != phrase)))


# --- the cache ------------------------------------------------------------------------------------


def _machine(runs: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """The runs of what machines made; people's decisions change nothing here."""
    people = {"rulings", "drawn", "sayings", "trust", "names"}
    return {s: {t: r for t, r in of.items() if t not in people} for s, of in runs.items()}


_COLUMNS = ("session", "track", "object", "phrase", "frames", "first", "last", "size_px", "logit")


def _to_table(units: Units) -> pa.Table:
    columns: dict[str, Any] = {name: getattr(units, name) for name in _COLUMNS}
    columns["names"] = pa.array(
        [list(c.items()) for c in units.choices], pa.map_(pa.string(), pa.float64())
    )
    columns["X"] = pa.FixedSizeListArray.from_arrays(pa.array(units.X.ravel()), len(units.signals))
    told = json.dumps({"snapshot": units.snapshot, "signals": units.signals})
    return pa.table(columns).replace_schema_metadata({"units": told})


def _cached(file: Any) -> Units | None:
    """What an earlier call kept; ``None`` if there is none, or it is damaged."""
    try:
        rows = pq.read_table(file)
        told = json.loads(rows.schema.metadata[b"units"])
        X = rows["X"].combine_chunks().flatten().to_numpy()
        return Units(
            snapshot=told["snapshot"],
            session=tuple(rows["session"].to_pylist()),
            track=rows["track"].to_numpy(),
            object=rows["object"].to_numpy(),
            phrase=tuple(rows["phrase"].to_pylist()),
            frames=rows["frames"].to_numpy(),
            first=rows["first"].to_numpy(),
            last=rows["last"].to_numpy(),
            size_px=rows["size_px"].to_numpy(),
            choices=tuple(dict(names) for names in rows["names"].to_pylist()),
            signals=tuple(told["signals"]),
            X=X.reshape(len(rows), len(told["signals"])),
            logit=rows["logit"].to_numpy(),
        )
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError):
        return None
