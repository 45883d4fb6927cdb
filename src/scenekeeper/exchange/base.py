"""What every exporter gives back, and how an exporter is found by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal

from scenekeeper.errors import ExportError
from scenekeeper.exchange.folder import telling_of
from scenekeeper.schema import Clip
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

Purpose = Literal["training", "safety"]

_PURPOSES: Mapping[Purpose, list[str]] = {
    "training": [],
    "safety": ["status IN ('verified', 'corrected')"],
}
_PLAIN: Mapping[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "None": (type(None),),
}
"""Annotations of options that can be checked here; an exporter checks its others."""

_GIVEN = ("dataset", "scene", "out", "sessions")

_THINGS = (
    "coalesce((SELECT any_value(kind) FROM objects o WHERE o.object = i.object), 'thing')"
    " NOT IN ('support', 'wall')"
)

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
    dataset: Dataset,
    format: str,
    out: Path,
    sessions: Sequence[str] | None = None,
    *,
    purpose: Purpose = "training",
    things_only: bool = False,
    **options: Any,
) -> Exported:
    """Write a dataset's labels in another project's format.

    Args:
        dataset: what to export.
        format: one of :func:`formats`.
        out: file or folder to make; must not exist.
        sessions: the sessions to take; all when absent.
        purpose: ``"safety"`` leaves out every instance that no person verified or corrected.
        things_only: leave out floors, walls and what else carries things.
        options: what the format's own exporter takes.

    Raises:
        ExportError: unknown format or option, ``out`` exists or cannot be written, there is
            nothing to export, or the format cannot hold the labels.
    """
    if out.exists():
        raise ExportError("is in the way", path=out, remedy="Move it or choose another name.")
    exporter = _exporter(format)
    check_options(format, exporter, options)
    chosen = list(dict.fromkeys(sessions or dataset.sessions()))
    bare = [s for s in chosen if "instances" not in dataset.current(s)]
    if bare or not chosen:
        raise ExportError(
            f"session {bare[0]!r} is not labelled yet" if bare else "there is no session here",
            path=dataset.path,
            remedy="Label first: scenekeeper label RECORDING --into DATASET",
        )
    wanted = [*_PURPOSES[purpose], *([_THINGS] if things_only else [])]
    if wanted:
        dataset = dataset.only(" AND ".join(wanted))
        if not dataset.sql("SELECT 1 FROM instances LIMIT 1").num_rows:
            raise ExportError(
                "no instance is left to export",
                path=dataset.path,
                remedy="For the purpose of safety a person has to verify labels first."
                if purpose == "safety"
                else "Leave --things-only out.",
            )
    with telling_of(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        return exporter(dataset, out, sessions=chosen, **options)


def labelled_clips(dataset: Dataset, session: str) -> list[Clip]:
    """Clips of a session that have labels, be they none; those that failed say nothing."""
    info, run = dataset.session(session), dataset.current(session)["instances"]
    clips = map(info.clip, range(info.n_clips))
    return [c for c in clips if dataset.segment("instances", run, session, c.index).exists()]


def _exporter(format: str) -> Exporter:
    for point in entry_points(group="scenekeeper.exporters"):
        if point.name == format:
            found: Exporter = point.load()
            return found
    if format not in BUILT_IN:
        raise ExportError(
            f"no exporter for {format!r}", remedy=f"There are: {', '.join(formats())}"
        )
    built_in: Exporter = import_module(BUILT_IN[format]).export
    return built_in


def check_options(format: str, exporter: Exporter, options: Mapping[str, Any]) -> None:
    """See that an exporter takes these options.

    Raises:
        ExportError: it has no such option, or a plain one is of another type.
    """
    parameters = inspect.signature(exporter).parameters
    known = [name for name in parameters if name not in _GIVEN]
    if unknown := sorted(set(options) - set(known)):
        raise ExportError(
            f"{format} has no option {unknown[0]!r}",
            remedy=f"It has: {', '.join(known)}" if known else "It has none.",
        )
    for name, value in options.items():
        wanted = str(parameters[name].annotation).replace(" ", "").split("|")
        if set(wanted) <= set(_PLAIN) and not any(isinstance(value, _PLAIN[w]) for w in wanted):
            raise ExportError(
                f"{format}: {name} is {value!r}", remedy=f"It has to be {' or '.join(wanted)}."
            )
