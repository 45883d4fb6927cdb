"""Stage 0: every robot format becomes one :class:`Recording`.

In: a path. Out: views (cameras with colour, depth and pose) and signals, each on its own clock,
read lazily; :func:`frames` aligns them into :class:`~scenekeeper.schema.Frame`.
"""

from __future__ import annotations

from scenekeeper.recording.base import (
    POSE_NAMES,
    Encoded,
    Images,
    ImageSource,
    Recording,
    Signal,
    View,
)
from scenekeeper.recording.open import open_recording, open_recordings

__all__ = [
    "POSE_NAMES",
    "Encoded",
    "ImageSource",
    "Images",
    "Recording",
    "Signal",
    "View",
    "open_recording",
    "open_recordings",
]
