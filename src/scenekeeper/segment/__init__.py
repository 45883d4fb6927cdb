"""Stage 2: masks with an identity that holds over the session.

In: the fused surface (to discover things in it) and frames (to see where they are). Out: segments
in 3D, and per frame an instance with mask, box and track for every segment in view.
"""

from __future__ import annotations

from scenekeeper.segment.discover import DiscoverConfig
from scenekeeper.segment.stages import Discover, Project, ProjectConfig
from scenekeeper.segment.unite import Unite, UniteConfig

__all__ = ["Discover", "DiscoverConfig", "Project", "ProjectConfig", "Unite", "UniteConfig"]
