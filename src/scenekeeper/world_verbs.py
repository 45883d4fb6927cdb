"""The verbs of the world: each is what ``scenekeeper world ...`` does."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from scenekeeper import geometry
from scenekeeper.engine import Progress
from scenekeeper.errors import DatasetError, ExportError, ScenekeeperError
from scenekeeper.exchange.base import Exported
from scenekeeper.exchange.world_kitti import CameraView
from scenekeeper.exchange.worlds import WORLD_FORMATS, export_world
from scenekeeper.ground.weights import load
from scenekeeper.labeling import LabelReport, build_world
from scenekeeper.report.world_page import write_world_page
from scenekeeper.report.world_pictures import best_pictures
from scenekeeper.report.world_words import UNIX_NS, holders
from scenekeeper.store import Dataset, open_dataset
from scenekeeper.vocabulary import FILE as VOCABULARY
from scenekeeper.vocabulary import read_vocabulary
from scenekeeper.world.difference import Difference, difference
from scenekeeper.world.memory import Event, Place
from scenekeeper.world.query import Answer, query
from scenekeeper.world.recall import WorldView, open_world
from scenekeeper.world.scene import Scene

PathLike = str | os.PathLike[str]
_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
"""Seconds of what a length of time may be given in."""


@dataclass(frozen=True, eq=False)
class WorldShown:
    """What is believed of a world.

    Attributes:
        scene: the things that are believed to be there, or are known to have gone.
        left_out: how many more were taken for things once and are not believed in.
        written: files that were made.
        notes: what the user should know of them.
    """

    scene: Scene
    left_out: int
    written: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def world_show(
    dataset: PathLike,
    *,
    at: str | int | None = None,
    place: int | None = None,
    everything: bool = False,
    html: PathLike | None = None,
    rerun: PathLike | None = None,
) -> WorldShown:
    """What is believed of the world, as a value, and as files if wanted.

    Args:
        dataset: the dataset's folder.
        at: the moment to believe at: nanoseconds, ``"now"``, a date (UTC unless it says otherwise),
            or ``"+8h"`` after the last visit (s, min, h, d). The end of the last visit when absent.
        place: which map, where sessions do not fit together; the last visit's when absent.
        everything: with what is not believed in.
        html: file to write as a page, with pictures from the recordings that are there.
        rerun: ``.rrd`` file to write for Rerun; must not exist.

    Raises:
        DatasetError: there is no world, or no such place.
        ScenekeeperError: the moment cannot be read, or a file cannot be written.
    """
    world = open_world(dataset)
    whole = _scene_at(world, at, place)
    scene = whole if everything else _believed(whole, world)
    written: list[Path] = []
    notes: list[str] = []
    if not whole.things:
        notes.append("nothing has a place here: that takes recordings with depth and camera poses")
    if html is not None:
        pictures, notes_of_pictures = best_pictures(world.dataset, scene)
        name = world.dataset.path.resolve().name
        written.append(write_world_page(scene, Path(html), pictures=pictures, name=name))
        notes += notes_of_pictures
    if rerun is not None:
        done = export_world(scene, "rerun", Path(rerun))
        written.append(done.path)
        notes += done.notes
    return WorldShown(scene, len(whole) - len(scene), tuple(written), tuple(notes))


def world_query(dataset: PathLike, text: str, *, viewer: str | None = None) -> Answer:
    """Find what is asked for in the world.

    Args:
        dataset: the dataset's folder.
        text: English: "the white mug on the table", "how many chairs are there".
        viewer: ``SESSION/FRAME_ID`` of the frame from which left, right and nearest are meant.

    Raises:
        DatasetError: there is no world, or no such frame, or its pose is not known.
    """
    world = open_world(dataset)
    words = _synonyms(world.dataset)
    if viewer is None:
        return query(world.scene(), text, synonyms=words)
    place, pose = _viewer(world, viewer)
    return query(world.scene(place=place), text, viewer=pose, synonyms=words)


def world_diff(dataset: PathLike, session: str | None = None) -> Difference:
    """What had changed when a session came; the last one when absent.

    Raises:
        DatasetError: there is no world, no such session, or it has no place in the world.
    """
    return difference(open_world(dataset), session)


def world_events(
    dataset: PathLike, object: str | int | None = None, session: str | None = None
) -> list[Event]:
    """Everything that happened to objects, in order.

    Args:
        dataset: the dataset's folder.
        object: an id (``7`` or ``"o7"``), to hear of this one only.
        session: to hear of what was noticed in this one only.

    Raises:
        DatasetError: there is no world, no such session, or nothing ever had this id.
    """
    world = open_world(dataset)
    if session is not None:
        world.dataset.session(session)
    events = world.events(session)
    if object is None:
        return events
    digits = str(object).strip().removeprefix("o")
    every = {n for e in world.events() for n in (e.object, e.other)}
    if not digits.isdigit() or int(digits) not in every:
        raise DatasetError(
            f"no object {str(object)!r}",
            path=world.dataset.path,
            remedy=f"See the ids: scenekeeper world show {world.dataset.path}",
        )
    return [e for e in events if int(digits) in (e.object, e.other)]


def world_export(
    dataset: PathLike,
    out: PathLike,
    format: str | None = None,
    *,
    place: int | None = None,
    **options: Any,
) -> Exported:
    """Write the world in another project's format.

    Args:
        dataset: the dataset's folder.
        out: file or folder to make; must not exist.
        format: one of :data:`scenekeeper.exchange.worlds.WORLD_FORMATS`; by the suffix of ``out``
            when absent.
        place: which map, where sessions do not fit together; the last visit's when absent.
        options: what the format's own exporter takes. ``gone=True`` keeps what is believed to be
            gone. ``kitti`` takes ``views``; every frame with a pose when absent.

    Raises:
        DatasetError: there is no world, or no such place.
        ExportError: see :func:`scenekeeper.exchange.worlds.export_world`.
    """
    world = open_world(dataset)
    scene = world.scene(place=place)
    chosen = format or _format_of(Path(out))
    if chosen == "kitti" and "views" not in options:
        options["views"] = _views(world, scene)
    return export_world(scene, chosen, Path(out), **options)


def world_build(
    dataset: PathLike, *, workers: int | None = None, progress: Progress | None = None
) -> list[LabelReport]:
    """Make the world of labels that are there, whoever made them, and fuse them by it.

    Raises:
        DatasetError: there is no dataset, or it has no labels.
        RecordingError: a recording has gone or changed.
    """
    opened = open_dataset(dataset)
    done = build_world(opened, workers=workers, progress=progress)
    if not done:
        raise DatasetError(
            "has no labels to make a world of",
            path=opened.path,
            remedy=f"Label a recording into it: scenekeeper label RECORDING --into {opened.path}",
        )
    return done


# --- moments --------------------------------------------------------------------------------------


def _scene_at(world: WorldView, at: str | int | None, place: int | None) -> Scene:
    scene = world.scene(place=place)
    return scene if at is None else world.scene(_moment(at, scene.t_ns), place)


def _moment(text: str | int, last_ns: int) -> int:
    """A moment in the clock of the recordings, nanoseconds."""
    if isinstance(text, int):
        return text
    words = text.strip().lower()
    try:
        if words.startswith("+"):
            unit = next(u for u in _UNITS if words.endswith(u))
            return last_ns + int(float(words[1:].removesuffix(unit)) * _UNITS[unit] * 1e9)
        moment = time.time() if words == "now" else _unix(words)
    except (ValueError, StopIteration, OverflowError):
        raise ScenekeeperError(
            f"{text!r} is no moment",
            remedy='Say "now", a date as 2026-01-31T12:00, or "+8h" after the last visit.',
        ) from None
    if last_ns < UNIX_NS:
        raise ScenekeeperError(
            "the clock of these recordings does not tell the date",
            remedy='Count from the last visit: "+8h".',
        )
    return int(moment * 1e9)


def _unix(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


# --- parts ----------------------------------------------------------------------------------------


def _believed(scene: Scene, world: WorldView) -> Scene:
    """Without what is looked for in vain and was never known to be there, unless it carries what
    is."""
    gone = {e.object for e in world.events() if e.kind in ("taken", "swapped")}
    kept = {t.object for t in scene if t.status != "missing" or t.object in gone or t.verified}
    held = holders(scene)
    for number in list(kept):
        while number in held and held[number].object not in kept:
            number = held[number].object
            kept.add(number)
    return replace(
        scene,
        things=tuple(t for t in scene if t.object in kept),
        relations=tuple(r for r in scene.relations if {r.subject, r.object} <= kept),
    )


def _synonyms(dataset: Dataset) -> Mapping[str, tuple[str, ...]]:
    """Other words for each class: those of the embedded namer, and the dataset's own."""
    known = {noun: tuple(words) for noun, words in load("namer").facts["synonyms"].items()}
    own = dataset.path / VOCABULARY
    return {**known, **read_vocabulary(own)} if own.is_file() else known


def _viewer(world: WorldView, text: str) -> tuple[int, geometry.Float]:
    """Place of a frame, and its camera's pose there."""
    session, _, digits = text.rpartition("/")
    if not session or not digits.isdigit():
        raise DatasetError(f"{text!r} is no frame", remedy="Write SESSION/FRAME_ID: day1/42.")
    poses = world.dataset.frames(_lying(world, session).session)["pose"]
    pose = poses[int(digits)].as_py() if int(digits) < len(poses) else None
    if pose is None:
        lacks = "has no pose" if int(digits) < len(poses) else "does not exist"
        raise DatasetError(
            f"frame {digits} of {session} {lacks}",
            path=world.dataset.path,
            remedy=f"Frames are numbered from 0 to {len(poses) - 1}.",
        )
    lies = _lying(world, session)
    return lies.place, lies.T_place_session @ geometry.pose_matrix(pose)


def _lying(world: WorldView, session: str) -> Place:
    world.dataset.session(session)
    for place in world.places():
        if place.session == session:
            return place
    raise DatasetError(
        f"session {session!r} has no place in the world",
        path=world.dataset.path,
        remedy="Label it, with depth and poses.",
    )


def _views(world: WorldView, scene: Scene) -> list[CameraView]:
    """The camera of every frame whose pose is known, in the scene's frame."""
    out = []
    for session in scene.sessions:
        T = _lying(world, session).T_place_session
        cameras = {c.name: c for c in world.dataset.session(session).cameras}
        for row in world.dataset.frames(session).to_pylist():
            K = cameras[row["camera"]].intrinsics
            if row["pose"] is not None and K is not None:
                pose = T @ geometry.pose_matrix(row["pose"])
                size = row["height"], row["width"]
                name = f"{session}/{row['frame_id']}"
                out.append(CameraView(name, pose, np.asarray(K, np.float64), size))
    return out


def _format_of(out: Path) -> str:
    suffix = out.suffix.lower()
    found = [name for name, known in WORLD_FORMATS.items() if suffix and known.suffix == suffix]
    if found:
        return found[0]
    raise ExportError(
        "does not say by its suffix what it is to be",
        path=out,
        remedy=f"Give --format, one of {', '.join(WORLD_FORMATS)}.",
    )
