"""Every family of things: sound meshes of true sizes, the same again from the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from scenekeeper.simulate.families import FAMILIES, NOUNS, Family
from scenekeeper.simulate.textures import KINDS

SEEDS = range(12)
LONGEST = {"fixed": 2.5, "heavy": 2.1, "movable": 2.0}
"""Metres of the longest side that anything of a mobility may have."""


def test_there_are_forty_families_and_more_of_sixty_nouns_and_more() -> None:
    assert len(FAMILIES) >= 40 and len(NOUNS) >= 60
    assert {"person", "hand", "gripper"} <= set(NOUNS)


def test_no_synonym_means_two_nouns() -> None:
    said = [word for noun, synonyms in NOUNS.items() for word in {noun, *synonyms}]
    assert len(said) == len(set(said))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_builds_sound_meshes(name: str) -> None:
    family = FAMILIES[name]
    for seed in SEEDS:
        model = family.build(np.random.default_rng(seed))
        mesh = model.mesh
        assert np.isfinite(mesh.vertices).all() and 10 <= len(mesh.triangles) <= 9000
        assert mesh.triangles.min() >= 0 and mesh.triangles.max() < len(mesh.vertices)
        assert mesh.material.max() < len(model.materials)
        assert {m.texture for m in model.materials} <= KINDS | {None}
        assert mesh.uv.shape == (len(mesh.triangles), 3, 2)


@pytest.mark.parametrize("name", FAMILIES)
def test_things_stand_on_the_ground_and_are_as_large_as_things_are(name: str) -> None:
    family = FAMILIES[name]
    for seed in SEEDS:
        vertices = family.build(np.random.default_rng(seed)).mesh.vertices
        extent = np.ptp(vertices, axis=0)
        assert abs(vertices[:, 2].min()) < 0.002
        assert 0.01 < extent.max() < LONGEST[family.mobility]


@pytest.mark.parametrize("name", FAMILIES)
def test_the_same_seed_gives_the_same_thing_and_another_seed_another(name: str) -> None:
    build = FAMILIES[name].build
    first, again = build(np.random.default_rng(5)), build(np.random.default_rng(5))
    assert np.array_equal(first.mesh.vertices, again.mesh.vertices)
    assert first.materials == again.materials
    others = [build(np.random.default_rng(seed)) for seed in range(6, 10)]
    assert any(
        o.materials != first.materials
        or o.mesh.vertices.shape != first.mesh.vertices.shape
        or not np.array_equal(o.mesh.vertices, first.mesh.vertices)
        for o in others
    )


@pytest.mark.parametrize("name", [n for n, f in FAMILIES.items() if f.build_opened])
def test_what_opens_changes_its_shape(name: str) -> None:
    family = FAMILIES[name]
    assert family.build_opened is not None
    closed = family.build(np.random.default_rng(3)).mesh
    opened = family.build_opened(np.random.default_rng(3)).mesh
    assert closed.vertices.shape != opened.vertices.shape or not np.array_equal(
        closed.vertices, opened.vertices
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_surfaces_face_outwards(name: str) -> None:
    """The volume that the triangles enclose is positive, but for open sheets."""
    mesh = FAMILIES[name].build(np.random.default_rng(1)).mesh
    solid = mesh.triangles[~mesh.two_sided]
    a, b, c = (mesh.vertices[solid[:, k]] for k in range(3))
    volume = (a * np.cross(b, c)).sum() / 6
    box = np.ptp(mesh.vertices, axis=0).prod()
    assert volume > -0.02 * box


@pytest.mark.parametrize("name", [n for n, f in FAMILIES.items() if f.where & {"floor"}])
def test_places_for_other_things_lie_within_the_outline(name: str) -> None:
    for seed in SEEDS:
        model = FAMILIES[name].build(np.random.default_rng(seed))
        low, high = model.mesh.vertices.min(0), model.mesh.vertices.max(0)
        for s in model.supports:
            assert low[0] <= s.x0 < s.x1 <= high[0] and low[1] <= s.y0 < s.y1 <= high[1]
            assert low[2] <= s.z <= high[2] + 0.002 and s.clearance > 0


def test_a_family_says_its_class() -> None:
    assert FAMILIES["desk"].phrase == "table" and FAMILIES["mug"].phrase == "mug"
    assert isinstance(FAMILIES["mug"], Family) and "desk" in NOUNS["table"]
