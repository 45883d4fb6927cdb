"""Robot recordings in; tracked masks, a persistent 3D scene graph and training labels out.

The verbs of the command line are functions here with the same names and arguments. Nothing heavy
is imported before a verb is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scenekeeper.doctoring import doctor
    from scenekeeper.labeling import label
    from scenekeeper.recording import open_recording, open_recordings
    from scenekeeper.review_verbs import advise, certify, decisions, import_corrections
    from scenekeeper.store import open_dataset
    from scenekeeper.verbs import convert, demo, export, name, show
    from scenekeeper.world.recall import open_world
    from scenekeeper.world_verbs import (
        world_build,
        world_diff,
        world_events,
        world_export,
        world_query,
        world_show,
    )

__version__ = "0.1.0"

_VERBS = {
    "advise": "scenekeeper.review_verbs",
    "certify": "scenekeeper.review_verbs",
    "convert": "scenekeeper.verbs",
    "decisions": "scenekeeper.review_verbs",
    "demo": "scenekeeper.verbs",
    "doctor": "scenekeeper.doctoring",
    "export": "scenekeeper.verbs",
    "import_corrections": "scenekeeper.review_verbs",
    "label": "scenekeeper.labeling",
    "name": "scenekeeper.verbs",
    "open_dataset": "scenekeeper.store",
    "open_recording": "scenekeeper.recording",
    "open_recordings": "scenekeeper.recording",
    "open_world": "scenekeeper.world.recall",
    "show": "scenekeeper.verbs",
    "world_build": "scenekeeper.world_verbs",
    "world_diff": "scenekeeper.world_verbs",
    "world_events": "scenekeeper.world_verbs",
    "world_export": "scenekeeper.world_verbs",
    "world_query": "scenekeeper.world_verbs",
    "world_show": "scenekeeper.world_verbs",
}

__all__ = [
    "__version__",
    "advise",
    "certify",
    "convert",
    "decisions",
    "demo",
    "doctor",
    "export",
    "import_corrections",
    "label",
    "name",
    "open_dataset",
    "open_recording",
    "open_recordings",
    "open_world",
    "show",
    "world_build",
    "world_diff",
    "world_events",
    "world_export",
    "world_query",
    "world_show",
]


def __getattr__(verb: str) -> Any:
    if verb in _VERBS:
        return getattr(import_module(_VERBS[verb]), verb)
    raise AttributeError(f"module 'scenekeeper' has no attribute {verb!r}")


def __dir__() -> list[str]:
    return __all__
