"""The verbs besides ``label``: each is what the command of the same name does."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scenekeeper.errors import DatasetError, ScenekeeperError
from scenekeeper.exchange.base import Exported, Purpose
from scenekeeper.exchange.base import export as export_labels
from scenekeeper.labeling import LabelReport, describe_again, label
from scenekeeper.store import Dataset, ledger, open_dataset

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Summary:
    """What a dataset holds.

    Attributes:
        path: its folder.
        sessions: per session its frames, instances, objects and notes.
        objects: per object id, phrase, status, kind, frames it is seen in, centre and extent in
            metres, and relations in words.
        failures: ``(stage, session, clip, reason)`` of what last failed.
    """

    path: str
    sessions: list[dict[str, Any]]
    objects: list[dict[str, Any]]
    failures: list[tuple[str, str, int, str]]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def show(dataset: PathLike, session: str | None = None) -> Summary:
    """Summarise a dataset.

    Raises:
        DatasetError: there is none, or no such session.
    """
    opened = open_dataset(dataset)
    if session is not None:
        opened.session(session)
    chosen = [session] if session else opened.sessions()
    failures = [f for f in ledger.failures(opened.path) if f[1] in chosen]
    return Summary(
        str(opened.path),
        [_session_row(opened, name) for name in chosen],
        [row for name in chosen for row in _object_rows(opened, name)],
        failures,
    )


def name(dataset: PathLike, object: str | int, phrase: str | None) -> dict[str, Any]:
    """Name an object in every frame, for good; ``None`` takes the name back.

    Args:
        dataset: the dataset's folder.
        object: its id (``7`` or ``"o7"``), or the name it has if only one object has it.
        phrase: a few words, as one would say them.

    Returns:
        The object's id, its new name, and the number of instances it now names.

    Raises:
        DatasetError: no such object, or an empty name.
    """
    opened = open_dataset(dataset)
    number = _object_id(opened, object)
    if phrase is not None:
        phrase = " ".join(phrase.split())
        if not phrase:
            raise DatasetError("the name is empty", remedy='Say what it is: "white mug".')
    opened.name_object(number, phrase)
    describe_again(opened)
    rows = opened.sql("SELECT count(*) AS n FROM instances WHERE object = ?", [number])
    return {"object": number, "phrase": phrase, "instances": rows["n"][0].as_py()}


def export(
    dataset: PathLike,
    format: str,
    out: PathLike,
    sessions: list[str] | None = None,
    *,
    purpose: Purpose = "training",
    things_only: bool = False,
    **options: Any,
) -> Exported:
    """Write a dataset's labels in another project's format.

    Args:
        dataset: the dataset's folder.
        format: ``coco``, ``yolo``, ``lerobot``, ``foxglove``, ``rerun``, or a plugin's.
        out: file or folder to make; must not exist.
        sessions: the sessions to take; all when absent.
        purpose: ``"safety"`` leaves out every instance that no person verified or corrected.
        things_only: leave out floors, walls and what else carries things.
        options: what the format's own exporter takes.

    Raises:
        ExportError: see :func:`scenekeeper.exchange.base.export`.
    """
    opened = open_dataset(dataset)
    for session in sessions or []:
        opened.session(session)
    return export_labels(
        opened,
        format,
        Path(out),
        sessions,
        purpose=purpose,
        things_only=things_only,
        **options,
    )


def convert(recording: PathLike, out: PathLike) -> Path:
    """Write any recording as an MCAP that Foxglove opens; pictures are copied, not re-encoded.

    Raises:
        RecordingError: the recording cannot be opened or read.
    """
    from scenekeeper.exchange.recording_mcap import write_recording
    from scenekeeper.recording import open_recording

    target = Path(out)
    if target.exists():
        raise ScenekeeperError("is in the way", path=target, remedy="Choose another name.")
    return write_recording(open_recording(recording), target)


def demo(
    folder: PathLike = "scenekeeper-demo", frames: int = 90, progress: Any = None
) -> tuple[LabelReport, Path]:
    """Render a small furnished room as an RGB-D recording and label it.

    Args:
        folder: gets ``room`` (the recording) and ``room.sk`` (the dataset).
        frames: length of the recording.
        progress: as for :func:`label`.

    Returns:
        The labelling's report and the dataset's folder.
    """
    from scenekeeper.simulate import write_tabletop

    room = Path(folder) / "room"
    if not room.exists():
        write_tabletop(room, frames)
    dataset = Path(folder) / "room.sk"
    return label([room], dataset, progress=progress)[0], dataset


def _session_row(dataset: Dataset, session: str) -> dict[str, Any]:
    info = dataset.session(session)
    counts = dataset.sql(
        "SELECT (SELECT count(*) FROM frames WHERE session = $1) AS frames,"
        " (SELECT count(*) FROM instances WHERE session = $1) AS instances,"
        " (SELECT count(*) FROM objects WHERE session = $1) AS objects,"
        " (SELECT count(*) FROM quality WHERE session = $1 AND len(flags) > 0) AS flagged",
        [session],
    ).to_pylist()[0]
    return {"session": session, "format": info.format, **counts, "notes": list(info.notes)}


def _object_rows(dataset: Dataset, session: str) -> list[dict[str, Any]]:
    rows = dataset.sql(
        "SELECT session, object, phrase, status, kind, frames, center, extent FROM objects"
        " WHERE session = ? ORDER BY (kind IN ('support', 'wall')), frames DESC, object",
        [session],
    ).to_pylist()
    phrase = {r["object"]: r["phrase"] for r in rows}
    said: dict[int, list[str]] = {r["object"]: [] for r in rows}
    for r in dataset.table("relations", session).to_pylist():
        said[r["subject"]].append(f"{r['predicate']} {phrase[r['object']]} o{r['object']}")
    return [{**row, "relations": said[row["object"]]} for row in rows]


def _object_id(dataset: Dataset, wanted: str | int) -> int:
    text = str(wanted).strip()
    digits = text.removeprefix("o")
    if digits.isdigit():
        found = dataset.sql("SELECT object FROM objects WHERE object = ?", [int(digits)])
    else:
        found = dataset.sql("SELECT object FROM objects WHERE phrase = ?", [text])
    if len(found) == 1:
        return int(found["object"][0].as_py())
    problem = f"{len(found)} objects are called {text!r}" if len(found) else f"no object {text!r}"
    raise DatasetError(
        problem, path=dataset.path, remedy=f"See the ids: scenekeeper show {dataset.path}"
    )
