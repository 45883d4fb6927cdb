"""Our map of objects over frames made for benchmarks, with what it costs."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.mapping_input import MappingFrame, Views, mapping_frames
from scenekeeper.schema import Camera

if TYPE_CHECKING:
    from scenekeeper.world.mapping import Mapper, Seen

Int = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Mapped:
    """What a map said of some frames.

    Attributes:
        truth: ``int64 [D]`` thing of every detection.
        objects: ``int64 [D]`` its object, as of the last of these frames; -1 = none.
        ms: ``float64 [F]`` CPU time of every frame.
        detections: ``int64 [F]`` of every frame.
        count: objects after the last.
    """

    truth: Int
    objects: Int
    ms: NDArray[np.float64]
    detections: Int
    count: int


def observed(mapper: Mapper, frames: Iterable[MappingFrame]) -> Mapped:
    """Take frames into a map; only the map's own work is timed."""
    truth, objects, ms = [], [], []
    for frame in frames:
        what = seen(frame)
        start = time.process_time()
        objects.append(mapper.observe(what))
        ms.append(1e3 * (time.process_time() - start))
        truth.append(frame.detections.truth)
    return Mapped(
        np.concatenate(truth),
        mapper.resolve(np.concatenate(objects)),
        np.array(ms),
        np.array([len(t) for t in truth]),
        len(mapper.objects),
    )


def seen(frame: MappingFrame) -> Seen:
    """A frame as the map takes it."""
    from scenekeeper.world.mapping import Seen

    height, width = frame.depth.shape
    found = frame.detections
    return Seen(
        t_ns=frame.t_ns,
        camera=Camera("camera", width, height, frame.intrinsics),
        T_world_camera=frame.T_world_camera,
        depth=frame.depth,
        masks=found.masks,
        places=found.box_xyxy,
        look=found.feature,
        track=np.full(len(found), -1, np.int64),
        score=np.ones(len(found)),
    )


def fresh(**changes: Any) -> Mapper:
    """An empty map, its settings changed as told."""
    from scenekeeper.world.mapping import MapConfig, Mapper

    return Mapper(MapConfig(**changes))


def warmed_up(views: Views) -> None:
    """Pay for compilation before anything is timed."""
    from benchmarks.mapping_input import CLEAN

    observed(fresh(), mapping_frames(views, CLEAN, seed=99, per_room=4))


def held_bytes(thing: object) -> int:
    """Bytes of all that is reachable from a Python value, arrays included, classes and code not.

    What a library written in another language holds is not seen.
    """
    known: set[int] = set()
    waiting, total = [thing], 0
    while waiting:
        one = waiting.pop()
        if id(one) in known or isinstance(one, type | ModuleType | FunctionType):
            continue
        known.add(id(one))
        total += sys.getsizeof(one)
        waiting += gc.get_referents(one)
        if isinstance(one, np.ndarray) and one.base is not None:
            waiting.append(one.base)
    return total


def resident_bytes() -> int:
    """Memory of this process, whoever holds it; 0 where the system does not say."""
    import resource
    from pathlib import Path

    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * resource.getpagesize()
