"""Runs stages over clips in one process: overlapped, bounded in memory, exactly resumable.

In: a dataset with sessions, and stages. Out: label segments, and a report of what it cost. The
engine knows what a stage is, not which there are; what is on disk is done, the rest is work.
"""

from __future__ import annotations

from scenekeeper.engine.progress import (
    Progress,
    json_progress,
    no_progress,
    plain_progress,
    rich_progress,
)
from scenekeeper.engine.run import Report, run
from scenekeeper.engine.stage import ClipJob, ClipStage, SessionStage, Stage, StreamJob, Tables

__all__ = [
    "ClipJob",
    "ClipStage",
    "Progress",
    "Report",
    "SessionStage",
    "Stage",
    "StreamJob",
    "Tables",
    "json_progress",
    "no_progress",
    "plain_progress",
    "rich_progress",
    "run",
]
