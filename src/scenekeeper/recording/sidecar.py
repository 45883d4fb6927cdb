"""What a folder's own format has no place for, kept beside it and read back exactly.

Out: ``scenekeeper.json`` with the :mod:`facts <scenekeeper.recording.facts>` of every recording in
the folder, and ``signals.parquet`` with every number stream on its own clock. In: such a folder.
Tools that know only the folder's own format pass both files over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from scenekeeper.errors import RecordingError
from scenekeeper.recording.base import Recording, Signal
from scenekeeper.recording.facts import PARSE_ERRORS, Facts, facts_of, kept_signals, parse
from scenekeeper.recording.parquet import numbers, read_columns
from scenekeeper.schema import SIGNALS

NAME = "scenekeeper.json"
SIGNALS_NAME = "signals.parquet"

_ROW_GROUP = 1 << 15
"""Rows that are read to read one; short signals share a group."""


@dataclass(frozen=True)
class Kept:
    """One recording of a folder.

    Attributes:
        facts: what it is.
        where: what the folder's format says of its place, as JSON values.
        path: the table of numbers.
        rows: per kept signal, first row and one past the last.
    """

    facts: Facts
    where: Mapping[str, Any]
    path: Path
    rows: tuple[tuple[int, int], ...]

    def read(self, number: int) -> Signal:
        """One of its signals.

        Raises:
            RecordingError: the table is missing or damaged.
        """
        about, (start, stop) = self.facts.signals[number], self.rows[number]
        try:
            table = read_columns(self.path, ("t_ns", "values").__contains__, start, stop)
            if table.num_rows != stop - start:
                raise ValueError(f"{table.num_rows} rows for {stop - start}")
            values = numbers(self.path, about.name, table["values"])
            times = table["t_ns"].cast(pa.int64()).to_numpy()
            return about.signal(times, values.reshape(len(times), len(about.names)))
        except (*PARSE_ERRORS, pa.ArrowException) as error:
            raise RecordingError(
                f"does not hold signal {about.name!r} as {NAME} says ({error})",
                path=self.path,
                remedy="Copy the folder again.",
            ) from error


def write(
    folder: Path, recordings: Sequence[Recording], where: Sequence[Mapping[str, Any]]
) -> None:
    """Keep what recordings are, and all their numbers.

    Args:
        folder: gets the two files.
        recordings: whose.
        where: per recording, what the folder's format needs to find it again.
    """
    entries, row = [], 0
    pending: list[pa.Table] = []
    with pq.ParquetWriter(
        folder / SIGNALS_NAME, SIGNALS, compression="zstd", write_page_checksum=True
    ) as writer:
        for recording, place in zip(recordings, where, strict=True):
            rows = []
            for signal, _ in kept_signals(recording):
                pending.append(_table(recording.name, signal))
                if sum(map(len, pending)) >= _ROW_GROUP:
                    _write_rows(writer, pending)
                rows.append((row, row + len(signal)))
                row += len(signal)
            entries.append({**facts_of(recording), "where": dict(place), "rows": rows})
        _write_rows(writer, pending)
    text = json.dumps({"recordings": entries}, indent=1, ensure_ascii=False)
    (folder / NAME).write_text(text + "\n", encoding="utf-8")


def read(folder: Path) -> list[Kept] | None:
    """What was kept of the recordings in a folder; ``None`` where nothing was.

    Raises:
        RecordingError: the file is damaged.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        entries = json.loads(path.read_bytes())["recordings"]
        return [_kept(folder, entry) for entry in entries]
    except (OSError, RecursionError, *PARSE_ERRORS) as error:
        raise RecordingError(
            f"does not say what is in this folder ({error})",
            path=path,
            remedy="Copy it again, or remove it to read what the folder's own format holds.",
        ) from error


def _kept(folder: Path, entry: Mapping[str, Any]) -> Kept:
    facts, where = parse(entry), entry["where"]
    rows = tuple((start, stop) for start, stop in entry["rows"])
    whole = all(type(v) is int for pair in rows for v in pair)
    if not whole or len(rows) != len(facts.signals) or not all(0 <= a <= b for a, b in rows):
        raise ValueError("rows that are none")
    if not isinstance(where, dict):
        raise TypeError(f"{where!r} is no place")
    return Kept(facts, where, folder / SIGNALS_NAME, rows)


def _write_rows(writer: pq.ParquetWriter, pending: list[pa.Table]) -> None:
    """Write tables one after the other, and forget them."""
    if any(map(len, pending)):
        writer.write_table(pa.concat_tables(pending), row_group_size=_ROW_GROUP)
    pending.clear()


def _table(session: str, signal: Signal) -> pa.Table:
    n, width = signal.values.shape
    ends = pa.array(range(0, (n + 1) * width, width) if width else [0] * (n + 1), pa.int32())
    values = pa.ListArray.from_arrays(ends, pa.array(signal.values.ravel(), pa.float64()))
    columns = {
        "session": pa.repeat(session, n),
        "signal": pa.repeat(signal.name, n),
        "kind": pa.repeat(signal.kind, n),
        "t_ns": signal.t_ns,
        "values": values,
    }
    return pa.table(columns, SIGNALS)
