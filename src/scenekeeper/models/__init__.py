"""Models behind one small interface: what they are, how they are named, found and loaded.

In: a name such as ``sam2:facebook/sam2.1-hiera-large``. Out: a ``FrameModel``, ``ClipModel`` or
``Chat`` with a ``Card``. Adapters live in the rooms of the stages and are found by entry point.
"""

from __future__ import annotations

from scenekeeper.models.base import Card, ClipModel, Field, FrameModel, Load, Model, Session
from scenekeeper.models.chat import Ask, Chat, Reply, Token
from scenekeeper.models.device import Device, in_batches, pick_device
from scenekeeper.models.registry import Family, families, open_model
from scenekeeper.models.source import Source

__all__ = [
    "Ask",
    "Card",
    "Chat",
    "ClipModel",
    "Device",
    "Family",
    "Field",
    "FrameModel",
    "Load",
    "Model",
    "Reply",
    "Session",
    "Source",
    "Token",
    "families",
    "in_batches",
    "open_model",
    "pick_device",
]
