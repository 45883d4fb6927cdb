"""What a dataset knows of one recording, as JSON beside its index of frames."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scenekeeper.schema import Camera, Clip


@dataclass(frozen=True)
class SessionInfo:
    """What the dataset knows of one recording; the pixels stay where they were recorded.

    Attributes:
        name: the session's name.
        source: path of the recording, as :func:`scenekeeper.open_recording` takes it.
        format: what the recording was recognised as.
        content: fingerprint of the recorded bytes.
        cameras: calibrations that the labels hold for.
        clips: first frame of each clip, and one past the last frame of the session.
        task: the recorded instruction.
        notes: what the user should know about the recording.
        alignment: how depth was brought into the colour image, per camera; plain JSON.
    """

    name: str
    source: str
    format: str
    content: str
    cameras: tuple[Camera, ...]
    clips: tuple[int, ...]
    task: str | None = None
    notes: tuple[str, ...] = ()
    alignment: Mapping[str, Any] = field(default_factory=dict)

    def clip(self, index: int) -> Clip:
        """One clip of the session."""
        return Clip(self.name, index, self.clips[index], self.clips[index + 1])

    @property
    def n_clips(self) -> int:
        """Number of clips."""
        return len(self.clips) - 1

    def to_json(self) -> str:
        """The session as JSON text."""
        fields = {k: getattr(self, k) for k in ("name", "source", "format", "content", "task")}
        cameras = [
            {
                "name": c.name,
                "width": c.width,
                "height": c.height,
                "intrinsics": None if c.intrinsics is None else c.intrinsics.tolist(),
                "distortion": list(c.distortion),
            }
            for c in self.cameras
        ]
        rest = {"notes": self.notes, "alignment": self.alignment, "clips": self.clips}
        return json.dumps({**fields, "cameras": cameras, **rest}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> SessionInfo:
        """Read back what :meth:`to_json` wrote."""
        data = json.loads(text)
        cameras = tuple(
            Camera(
                c["name"],
                c["width"],
                c["height"],
                None if c["intrinsics"] is None else np.array(c["intrinsics"]),
                tuple(c["distortion"]),
            )
            for c in data.pop("cameras")
        )
        data["clips"], data["notes"] = tuple(data["clips"]), tuple(data["notes"])
        return cls(cameras=cameras, **data)
