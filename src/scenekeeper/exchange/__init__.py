"""Other people's formats: labels out to COCO, YOLO, LeRobot, Foxglove and Rerun.

In: a dataset, or a scene of the world. Out: a file or folder that appears whole. One format is one
small file with an ``export(dataset, out, *, sessions)`` or ``write(scene, out)`` function.
"""

from __future__ import annotations

from scenekeeper.exchange.base import Exported, export, formats
from scenekeeper.exchange.worlds import WORLD_FORMATS, export_world

__all__ = ["WORLD_FORMATS", "Exported", "export", "export_world", "formats"]
