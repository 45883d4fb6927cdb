"""Stage 2: masks with an identity that holds over the session.

In: the fused surface (to discover things in it) and frames (to see where they are), or frames and
detections (for models that follow things). Out: per frame an instance with mask, box and track for
every thing in view.
"""

from __future__ import annotations

from scenekeeper.segment.discover import DiscoverConfig
from scenekeeper.segment.follow import Follow
from scenekeeper.segment.stages import Discover, Project, ProjectConfig
from scenekeeper.segment.stitched import Number, Stitch
from scenekeeper.segment.unite import Unite, UniteConfig

__all__ = [
    "Discover",
    "DiscoverConfig",
    "Follow",
    "Number",
    "Project",
    "ProjectConfig",
    "Stitch",
    "Unite",
    "UniteConfig",
]
