"""What every exporter gives back, and how an exporter is found by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from scenekeeper.errors import ExportError
from scenekeeper.store import Dataset


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    Attributes:
        path: the file or folder.
        frames: number of frames in it.
        instances: number of labelled instances in it.
        notes: what the format could not hold, one sentence each.
    """

    path: Path
    frames: int
    instances: int
    notes: tuple[str, ...] = ()


Exporter = Callable[..., Exported]
"""``export(dataset, out, sessions=...)``: writes ``out`` atomically, whole or not at all."""

BUILT_IN = {
    "coco": "scenekeeper.exchange.coco",
    "yolo": "scenekeeper.exchange.yolo",
    "lerobot": "scenekeeper.exchange.lerobot",
    "foxglove": "scenekeeper.exchange.foxglove",
    "rerun": "scenekeeper.exchange.rerun",
}


def formats() -> list[str]:
    """Names that :func:`export` takes."""
    plugins = {point.name for point in entry_points(group="scenekeeper.exporters")}
    return sorted(plugins | set(BUILT_IN))


def export(
    dataset: Dataset, format: str, out: Path, sessions: list[str] | None = None, **options: Any
) -> Exported:
    """Write a dataset's effective labels in another project's format.

    Args:
        dataset: what to export.
        format: one of :func:`formats`.
        out: file or folder to make; must not exist.
        sessions: the sessions to take; all when absent.
        options: what the format's own exporter takes.

    Raises:
        ExportError: unknown format, ``out`` exists, or the format cannot hold the labels.
    """
    if out.exists():
        raise ExportError("is in the way", path=out, remedy="Move it or choose another --out.")
    for point in entry_points(group="scenekeeper.exporters"):
        if point.name == format:
            exporter: Exporter = point.load()
            break
    else:
        if format not in BUILT_IN:
            raise ExportError(
                f"no exporter for {format!r}", remedy=f"There are: {', '.join(formats())}"
            )
        exporter = import_module(BUILT_IN[format]).export
    chosen = sessions or dataset.sessions()
    bare = [s for s in chosen if "instances" not in dataset.current(s)]
    if bare or not chosen:
        raise ExportError(
            f"session {bare[0]!r} is not labelled yet" if bare else "there is no session here",
            path=dataset.path,
            remedy="Label first: scenekeeper label RECORDING --into DATASET",
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    return exporter(dataset, out, sessions=chosen, **options)
