"""Stage 4: objects that outlive a frame, a clip and a labelling run.

In: the surface and segments of a session. Out: objects with ids that are never reused, upright 3D
boxes and relations; the memory of which is which lies in ``world/world.sqlite``.
"""

from __future__ import annotations

from scenekeeper.world.existence import ExistenceConfig
from scenekeeper.world.fuse import Fuse, FuseConfig
from scenekeeper.world.observe import Observe
from scenekeeper.world.reconcile import Reconcile
from scenekeeper.world.stage import World
from scenekeeper.world.told import Agree

__all__ = ["Agree", "ExistenceConfig", "Fuse", "FuseConfig", "Observe", "Reconcile", "World"]
