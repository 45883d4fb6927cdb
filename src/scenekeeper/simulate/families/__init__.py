"""The catalogue: every family of things that can stand in a simulated room.

In: a random generator. Out: a mesh with materials, and the places on it that carry other things.
"""

from __future__ import annotations

from collections.abc import Mapping

from scenekeeper.simulate.families import devices, furniture, goods, soft, tableware
from scenekeeper.simulate.families.base import Family, Material, Model, Support

__all__ = ["FAMILIES", "NOUNS", "Family", "Material", "Model", "Support"]

FAMILIES: Mapping[str, Family] = {
    family.name: family
    for theme in (tableware, goods, devices, soft, furniture)
    for family in theme.FAMILIES
}

NOUNS: Mapping[str, tuple[str, ...]] = {
    noun: tuple(s for f in FAMILIES.values() if f.phrase == noun for s in f.synonyms)
    for noun in dict.fromkeys(f.phrase for f in FAMILIES.values())
}
"""Every class phrase with its synonyms."""
