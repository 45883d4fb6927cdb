"""One session for each camera of a clip: what a tracker follows is one camera's picture."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from scenekeeper.models.base import Session
from scenekeeper.schema import Frame, Labels


@dataclass
class PerCamera:
    """A session whose frames may be of several cameras.

    Labels come in the order of the frames, although some cameras' may be held back for longer.

    Attributes:
        start: opens the session of one camera; those of a clip must not share track numbers.
    """

    start: Callable[[], Session]
    _sessions: dict[str, Session] = field(default_factory=dict)
    _waiting: deque[int] = field(default_factory=deque)
    _ready: dict[int, Labels] = field(default_factory=dict)

    def push(self, frame: Frame, prior: Labels | None) -> Iterator[Labels]:
        """Take the next frame; labels of frames that are ready, in order."""
        if frame.camera.name not in self._sessions:
            self._sessions[frame.camera.name] = self.start()
        self._waiting.append(frame.frame_id)
        done = self._sessions[frame.camera.name].push(frame, prior)
        self._ready |= {labels.frame_id: labels for labels in done}
        return iter(list(self._in_order()))

    def flush(self) -> Iterator[Labels]:
        """Labels of the frames still held back."""
        for session in self._sessions.values():
            self._ready |= {labels.frame_id: labels for labels in session.flush()}
        return iter(list(self._in_order()))

    def _in_order(self) -> Iterator[Labels]:
        while self._waiting and self._waiting[0] in self._ready:
            yield self._ready.pop(self._waiting.popleft())
