"""The report: self-contained HTML pages that show what a dataset holds, and the world.

In: a labelled dataset and, while it is still there, the recording; or a scene. Out: one file that
opens in any browser and asks the network for nothing.
"""

from __future__ import annotations

from scenekeeper.report.page import write_report
from scenekeeper.report.world_page import write_world_page

__all__ = ["write_report", "write_world_page"]
