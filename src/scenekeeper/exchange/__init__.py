"""Other people's formats: labels out to COCO, YOLO, LeRobot, Foxglove and Rerun.

In: a dataset. Out: a file or folder that appears whole. One format is one small file with an
``export(dataset, out, *, sessions)`` function.
"""

from __future__ import annotations

from scenekeeper.exchange.base import Exported, export, formats

__all__ = ["Exported", "export", "formats"]
