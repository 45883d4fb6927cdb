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
    from scenekeeper.store import open_dataset
    from scenekeeper.verbs import convert, demo, export, name, show

__version__ = "0.1.0"

_VERBS = {
    "convert": "scenekeeper.verbs",
    "demo": "scenekeeper.verbs",
    "doctor": "scenekeeper.doctoring",
    "export": "scenekeeper.verbs",
    "label": "scenekeeper.labeling",
    "name": "scenekeeper.verbs",
    "open_dataset": "scenekeeper.store",
    "open_recording": "scenekeeper.recording",
    "open_recordings": "scenekeeper.recording",
    "show": "scenekeeper.verbs",
}

__all__ = [
    "__version__",
    "convert",
    "demo",
    "doctor",
    "export",
    "label",
    "name",
    "open_dataset",
    "open_recording",
    "open_recordings",
    "show",
]


def __getattr__(verb: str) -> Any:
    if verb in _VERBS:
        return getattr(import_module(_VERBS[verb]), verb)
    raise AttributeError(f"module 'scenekeeper' has no attribute {verb!r}")


def __dir__() -> list[str]:
    return __all__
