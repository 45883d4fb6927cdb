"""A clip of several cameras is a session for each, and its labels come in the order of frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from scenekeeper.schema import Camera, Frame, Labels
from scenekeeper.segment.cameras import PerCamera
from tests.checkpoints.pictures import clip


class Delayed:
    """Gives labels of a frame when the next ones come."""

    def __init__(self, delay: int) -> None:
        self.delay, self.held = delay, list[Frame]()

    def push(self, frame: Frame, prior: Labels | None) -> Iterator[Labels]:
        self.held.append(frame)
        while len(self.held) > self.delay:
            yield self.labels(self.held.pop(0))

    def flush(self) -> Iterator[Labels]:
        while self.held:
            yield self.labels(self.held.pop(0))

    def labels(self, frame: Frame) -> Labels:
        return Labels(frame.frame_id, frame.t_ns, (240, 320), np.zeros((0, 4)))


def of_two_cameras(n: int) -> list[Frame]:
    cameras = (Camera("left", 320, 240), Camera("right", 320, 240))
    return [replace(frame, camera=cameras[k % 2]) for k, frame in enumerate(clip(n))]


def test_labels_come_in_the_order_of_the_frames_whatever_is_held_back() -> None:
    delays = iter([3, 1])
    session = PerCamera(lambda: Delayed(next(delays)))
    early = [labels.frame_id for f in of_two_cameras(9) for labels in session.push(f, None)]
    late = [labels.frame_id for labels in session.flush()]
    assert early == [0, 1, 2, 3] and early + late == list(range(9))


def test_each_camera_has_a_session_of_its_own() -> None:
    made: list[Delayed] = []

    def start() -> Delayed:
        made.append(Delayed(9))
        return made[-1]

    session = PerCamera(start)
    for frame in of_two_cameras(6):
        list(session.push(frame, None))
    assert [{f.camera.name for f in s.held} for s in made] == [{"left"}, {"right"}]
