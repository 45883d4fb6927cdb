"""A small room with exact ground truth, for the demo and for tests.

In: a folder to write. Out: an RGB-D recording of a tabletop, rendered and labelled as such.
"""

from __future__ import annotations

from scenekeeper.simulate.recording import write_tabletop

__all__ = ["write_tabletop"]
