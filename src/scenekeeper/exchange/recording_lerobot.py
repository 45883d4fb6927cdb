"""Write recordings as one LeRobot v3.0 dataset, and beside it what LeRobot has no place for.

In: :class:`recordings <scenekeeper.recording.base.Recording>`, an episode each. Out: a folder that
``LeRobotDataset`` loads, with video, state and action at a constant rate; and where its tools do
not look, when every picture was taken, depth, calibrations, poses, and all numbers at their own
rates. Ours reads all of it back.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scenekeeper.errors import ExportError, RecordingError
from scenekeeper.exchange.base import Exported
from scenekeeper.exchange.encoded import depth_as_fits
from scenekeeper.exchange.folder import replacing_folder, telling_of
from scenekeeper.exchange.lerobot_episodes import (
    Pictures,
    Take,
    Written,
    opened,
    write_episode,
    write_meta,
)
from scenekeeper.exchange.lerobot_plan import Plan, plan
from scenekeeper.exchange.lerobot_timeline import TIMELINE, Episode, pick, ticks
from scenekeeper.exchange.streams import Size, Source
from scenekeeper.recording import sidecar
from scenekeeper.recording.base import Recording, View
from scenekeeper.recording.lerobot_kept import DEPTH, DEPTH_UNITS, TIMELINE_NAME, depth_path

_DEPTH_GROUP = 16
"""Depth pictures in one row group, which is what reading one of them costs."""

_OURS = {"recordings": sidecar.NAME}


def write_recordings(
    recordings: Sequence[Recording], path: Path, *, fps: int | None = None
) -> Exported:
    """Write recordings as a LeRobot dataset; it appears whole or not at all.

    The camera with most pictures sets the pace: its clock is resampled to a constant rate, and
    every other stream gives its sample nearest in time. Only cameras that all recordings have are
    written, as video, which loses detail. State and action are the joint states and actions that
    all have. Depth is kept to 0.01 mm, and numbers as they are.

    Args:
        recordings: one episode each, in this order.
        path: the folder to make.
        fps: frames per second; the primary camera's own median rate when absent.

    Raises:
        ExportError: ``path`` exists or cannot be written, there are no recordings, they share no
            camera, or ``fps`` is less than 1.
        RecordingError: a picture of a recording cannot be read.
    """
    if not recordings:
        raise ExportError("there is no recording to write", path=path)
    sources = [Source.of(recording.name, recording) for recording in recordings]
    wanted = plan(sources, fps)
    with telling_of(path, av.FFmpegError), replacing_folder(path) as folder:
        written = _write(recordings, wanted, folder)
    notes = (*wanted.notes, *_only_beside(sources, wanted), *written.notes)
    return Exported(path, written.frames, 0, notes)


def _only_beside(sources: Sequence[Source], plan: Plan) -> Iterator[str]:
    used = {name for names in plan.signals.values() for name in names}
    found = {name for s in sources for name in (*s.left_out, *(n for _, n in s.signals))}
    if other := sorted(found - used):
        where = f"they are in {sidecar.SIGNALS_NAME} alone"
        yield f"LeRobot has no place for these signals, {where}: {', '.join(other)}."


def _write(recordings: Sequence[Recording], plan: Plan, folder: Path) -> Written:
    done, kept, places = Written(), [], []
    with (
        opened(folder, plan, [r.task or "" for r in recordings]) as files,
        pq.ParquetWriter(
            folder / TIMELINE_NAME, TIMELINE, compression="zstd", write_page_checksum=True
        ) as timeline,
    ):
        for number, recording in enumerate(recordings):
            take = _on_timeline(plan, recording, number, done.frames)
            kept.append(_cropped(recording, plan))
            places.append(_place(plan, kept[-1], take.episode))
            _write_depth(recording, kept[-1], places[-1], folder)
            done += write_episode(plan, files, take, timeline.write_table)
            done += Written(notes=tuple(_unused(take, plan)))
    write_meta(folder, plan, files, len(recordings), done, _OURS)
    sidecar.write(folder, kept, places)
    return done


def _on_timeline(plan: Plan, recording: Recording, number: int, first: int) -> Take:
    t_ns = {camera.key: recording.view(camera.name).rgb.t_ns for camera in plan.cameras}
    ticks_ns = ticks(t_ns[plan.cameras[0].key], plan.fps, recording.name)
    picked = {key: pick(times, ticks_ns) for key, times in t_ns.items()}
    pictures = {key: Pictures(samples, samples.row) for key, samples in picked.items()}
    episode = Episode(recording.name, number, first, ticks_ns, {})
    return Take(recording, recording.task or "", episode, pictures)


def _unused(take: Take, plan: Plan) -> Iterator[str]:
    for camera in plan.cameras:
        n = len(take.recording.view(camera.name).rgb)
        lost = n - len(np.unique(take.pictures[camera.key].rgb_row))
        if lost:
            yield (
                f"Session {take.episode.session}: {lost} of {n} pictures of camera"
                f" {camera.name!r} fall between the frames and are left out."
            )


# --- what is kept beside it -----------------------------------------------------------------------


def _cropped(recording: Recording, plan: Plan) -> Recording:
    """The recording with the cameras of the plan, as large as their video is."""
    planned = {camera.name: camera for camera in plan.cameras}
    views = [
        replace(view, camera=replace(view.camera, width=camera.width, height=camera.height))
        for view in recording.views
        if (camera := planned.get(view.camera.name)) is not None
    ]
    return replace(recording, views=tuple(views))


def _place(plan: Plan, kept: Recording, episode: Episode) -> dict[str, Any]:
    """Where the episode lies; rows of the timeline stand in the order of ``write_episode``."""
    signals = sum(map(len, plan.signals.values()))
    start, n = episode.first * (signals + len(plan.cameras)), len(episode)
    numbers = {camera.name: k for k, camera in enumerate(plan.cameras, signals)}
    cameras = []
    for view in kept.views:
        k = numbers[view.camera.name]
        cameras.append(
            {
                "key": plan.cameras[k - signals].key,
                "rows": (start + k * n, start + (k + 1) * n),
                "depth": view.depth is not None,
            }
        )
    return {"episode": episode.number, "fps": plan.fps, "cameras": cameras}


def _write_depth(
    recording: Recording, kept: Recording, place: Mapping[str, Any], folder: Path
) -> None:
    for view, where in zip(kept.views, place["cameras"], strict=True):
        if where["depth"]:
            file = folder / depth_path(where["key"], place["episode"])
            file.parent.mkdir(parents=True, exist_ok=True)
            _write_depth_table(file, recording.view(view.camera.name), view)


def _write_depth_table(file: Path, whole: View, cropped: View) -> None:
    """All depth of a camera; what has no calibration of its own is cropped as colour is."""
    assert whole.depth is not None
    camera = cropped.depth_camera or cropped.camera
    t_ns = whole.depth.t_ns
    pictures = _depth_pictures(whole, (camera.height, camera.width))
    with pq.ParquetWriter(
        file,
        DEPTH,
        compression="zstd",
        use_dictionary=False,
        write_statistics=False,  # they would repeat whole pictures
        write_page_checksum=True,
    ) as writer:
        for start in range(0, len(t_ns), _DEPTH_GROUP):
            times = t_ns[start : start + _DEPTH_GROUP]
            found = list(itertools.islice(pictures, len(times)))
            columns = {
                "t_ns": times,
                "per_metre": [per_metre for per_metre, _ in found],
                "picture": [data for _, data in found],
            }
            writer.write_table(pa.table(columns, DEPTH))


def _depth_pictures(view: View, size: Size) -> Iterator[tuple[float | None, bytes]]:
    """Units and bytes of every depth picture; the units of one are tried first on the next."""
    assert view.depth is not None
    camera, source = view.depth_camera or view.camera, view.depth.source
    units = list(DEPTH_UNITS.values())
    for row, depth in enumerate(source.read(range(len(source)))):
        if depth.shape != (camera.height, camera.width):
            raise RecordingError(
                f"depth is {list(depth.shape)}, its camera {[camera.height, camera.width]}",
                place=f"camera {view.camera.name!r}, depth picture {row}",
            )
        cropped = depth[: size[0], : size[1]]
        data, fitting = depth_as_fits(source.encoded(row), cropped, units)
        if fitting is not None:
            units.sort(key=lambda some: some is not fitting)
        yield fitting.per_metre if fitting is not None else None, data
