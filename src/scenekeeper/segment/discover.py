"""Find things on a surface without weights: what stands on the planes, what lies flat on them.

Map first: support planes come off, what remains falls apart into connected pieces; on the planes
themselves, patches of another colour are flat things (paper, books). Every piece is found in 3D,
so its identity holds over every frame that sees it. Nothing here knows what a thing is called.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scenekeeper.geometry import upright_basis
from scenekeeper.segment.planes import Plane, components, find_planes, up_direction
from scenekeeper.voxels import Pairs, Surface, neighbours, touching

Kind = Literal["thing", "flat", "support", "wall"]


@dataclass(frozen=True)
class DiscoverConfig:
    """What counts as a thing; lengths in metres.

    Attributes:
        min_frames: voxels seen in fewer frames are noise.
        min_views: a piece whose median voxel was seen in fewer frames is noise.
        min_extent: the largest side of a thing is at least this.
        max_extent: pieces larger than this are several things or structure.
        min_voxels: pieces with fewer voxels are noise.
        crowd: voxels with at least this many of 26 neighbours carry a piece on; fewer make a bridge
            too thin to be one thing.
        plane_area: flat patches of at least this many square metres are structure; larger than
            the seat of a chair, smaller than a table.
        colour_step: neighbouring voxels whose colours differ by more (0..255, largest channel)
            belong to different things.
        flat_contrast: CIE Lab distance from the colour of its plane of a flat thing.
        flat_area: square metres of the smallest flat thing.
        stack_height: things at most this high, with a level top, carry what stands on them.
    """

    min_frames: int = 3
    min_views: int = 5
    min_extent: float = 0.04
    max_extent: float = 1.2
    min_voxels: int = 60
    crowd: int = 7
    plane_area: float = 0.35
    colour_step: float = 60.0
    flat_contrast: float = 12.0
    flat_area: float = 0.006
    stack_height: float = 0.08


@dataclass(frozen=True, eq=False)
class Segment:
    """One discovered piece of the surface.

    Attributes:
        kind: ``thing`` stands out of the planes, ``flat`` lies on one, ``support`` is a level
            plane and what carries it, ``wall`` any other plane.
        rows: ``int64``, its rows of the surface.
        score: 0..1, how often it was seen; not calibrated.
    """

    kind: Kind
    rows: NDArray[np.int64]
    score: float


def discover(
    surface: Surface, size: float, camera_up: NDArray[np.float64], config: DiscoverConfig
) -> tuple[list[Segment], NDArray[np.float64]]:
    """Segments of a surface and the up direction.

    Args:
        surface: the session's fused surface without its noise (:func:`without_noise`).
        size: voxel edge, metres.
        camera_up: mean up vector of the cameras ``[3]``, world frame.
        config: thresholds.
    """
    planes = find_planes(surface, size, config.plane_area)
    up = up_direction(planes, camera_up)
    structure = np.zeros(len(surface), np.bool_)
    for plane in planes:
        structure[plane.rows] = True
    pieces = _pieces(surface, np.flatnonzero(~structure), config)
    carried, pieces = _carriers(surface, planes, pieces, up, size)
    things = [
        part for piece in pieces for part in _unstacked(surface, planes, piece, up, size, config)
    ]
    segments = [
        Segment("support" if plane.normal @ up > 0.94 else "wall", rows, min(1.0, plane.area))
        for plane, rows in zip(planes, carried, strict=True)
    ]
    things = [p for p in things if _is_thing(surface, p, config)]
    flats = [p for plane in planes for p in _flat_things(surface, plane, size, config)]
    things, flats = _told_apart(surface, things, flats, up, config)
    segments += [Segment("thing", p, _often(surface, p)) for p in things]
    segments += [Segment("flat", p, _often(surface, p)) for p in flats]
    return segments, up


def without_noise(surface: Surface, config: DiscoverConfig) -> Surface:
    """The voxels that enough frames saw."""
    return surface[surface.count >= config.min_frames]


def _pieces(
    surface: Surface, rest: NDArray[np.int64], config: DiscoverConfig
) -> list[NDArray[np.int64]]:
    """Connected pieces of what is not structure; a piece too large for a thing is parted again."""
    pieces = []
    for piece in _linked(surface, rest, config.colour_step, config.crowd):
        if _extent(surface, piece) <= config.max_extent:
            pieces.append(piece)
        else:  # a shelf and what stands on it: only what is alike and well filled holds on
            pieces += _linked(surface, np.sort(piece), config.colour_step / 3, config.crowd, 0.9)
    return [piece for piece in pieces if len(piece) >= config.min_voxels]


def _linked(
    surface: Surface, rows: NDArray[np.int64], colour_step: float, crowd: int, share: float = 0
) -> list[NDArray[np.int64]]:
    """Groups of rows that hang together, cut at inner corners, colour steps and thin bridges.

    As in DBSCAN (Ester et al., 1996), voxels with few neighbours, less than ``crowd`` or than this
    share of what is usual among these rows, belong to a group but do not carry it on.
    """

    def one_thing(a: NDArray[np.int32], b: NDArray[np.int32]) -> NDArray[np.bool_]:
        i, j = rows[a], rows[b]
        step = np.abs(surface.rgb[i] - surface.rgb[j]).max(1)
        return np.asarray((step < colour_step) & ~_concave(surface, i, j), np.bool_)

    n = len(rows)
    a, b = neighbours(surface.key[rows], keep=one_thing)
    around = np.bincount(a, minlength=n) + np.bincount(b, minlength=n)
    core = around >= max(crowd, share * np.median(around)) if n else np.zeros(0, np.bool_)
    both = core[a] & core[b]
    label = components((a[both], b[both]), n)
    for edge, middle in ((a, b), (b, a)):
        joins = ~core[edge] & core[middle]
        label[edge[joins]] = label[middle[joins]]
    return [rows[group] for group in _groups(label)]


def _concave(surface: Surface, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether two neighbouring voxels meet in an inner corner, where one thing meets another."""
    apart = surface.position[b] - surface.position[a]
    length = np.maximum(np.linalg.norm(apart, axis=1), 1e-6)
    bend = np.einsum("ij,ij->i", surface.normal[b] - surface.normal[a], apart) / length
    return np.asarray(bend < -0.6, np.bool_)


def _carriers(
    surface: Surface,
    planes: list[Plane],
    pieces: list[NDArray[np.int64]],
    up: NDArray[np.float64],
    size: float,
) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Legs and edges go to the level plane they carry.

    Returns:
        Per plane its rows with those of its carriers, and the pieces that carry nothing.
    """
    carried = [p.rows for p in planes]
    left = []
    for piece in pieces:
        for k, plane in enumerate(planes):
            if plane.normal @ up > 0.94 and (
                _hangs_below(surface, plane, piece, size) or _is_leg(surface, plane, piece, up)
            ):
                carried[k] = np.union1d(carried[k], piece)
                break
        else:
            left.append(piece)
    return carried, left


def _hangs_below(surface: Surface, plane: Plane, piece: NDArray[np.int64], size: float) -> bool:
    height = plane.distance(surface.position[piece])
    if (height > size).mean() > 0.03 or (height > -4 * size).sum() < 20:
        return False
    rim = piece[height > -3 * size]
    return int(touching(surface.key[rim], surface.key[plane.rows], 2).sum()) >= 20


def _is_leg(
    surface: Surface, plane: Plane, piece: NDArray[np.int64], up: NDArray[np.float64]
) -> bool:
    """Whether a piece is slim, upright, and ends just beneath a plane that hides its top."""
    basis = upright_basis(up)
    points = surface.position[piece] @ basis
    low, high = np.percentile(points, [2, 98], axis=0)
    width, height = float((high - low)[:2].max()), float((high - low)[2])
    gap = -float(plane.distance(surface.position[piece]).max())
    if width > 0.2 or height < 2.5 * width or not 0 <= gap < 0.15:
        return False
    top = surface.position[plane.rows] @ basis
    middle = points[:, :2].mean(0)
    return bool(
        (middle > top[:, :2].min(0) - 0.05).all() & (middle < top[:, :2].max(0) + 0.05).all()
    )


def _unstacked(
    surface: Surface,
    planes: list[Plane],
    piece: NDArray[np.int64],
    up: NDArray[np.float64],
    size: float,
    config: DiscoverConfig,
) -> Iterator[NDArray[np.int64]]:
    """Part a low pile with a level top from what stands on it."""
    height = surface.position[piece] @ up
    level = surface.normal[piece] @ up > 0.9
    bins = np.floor((height - height.min()) / size).astype(np.int64)
    top = int(np.bincount(bins[level], minlength=1).argmax()) if level.any() else 0
    slab = bins <= top + 1
    thin = height[slab].max() - height.min() < config.stack_height
    wide = (level & (np.abs(bins - top) <= 1)).sum() * size * size > 0.01
    grounded = any(
        np.abs(np.median(p.distance(surface.position[piece[slab]]))) < config.stack_height
        for p in planes
        if p.normal @ up > 0.94
    )
    above = piece[~slab]
    if not (thin and wide and grounded and len(above) >= config.min_voxels):
        yield piece
        return
    yield piece[slab]
    for group in _groups(components(neighbours(surface.key[above]), len(above))):
        yield above[group]


def _told_apart(
    surface: Surface,
    things: list[NDArray[np.int64]],
    flats: list[NDArray[np.int64]],
    up: NDArray[np.float64],
    config: DiscoverConfig,
) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Settle contacts between flat things and standing ones.

    A thing that mostly touches one flat thing and is smaller is a bump of it (a page that curls,
    the cover of a book); a flat thing that mostly touches standing things is their shadow or rim.
    """
    flats = list(flats)
    standing = []
    for piece in things:
        key = surface.key[piece]
        low = np.ptp(surface.position[piece] @ up) < config.stack_height / 2
        for k, flat in enumerate(flats):
            touched = touching(key, surface.key[flat], 2 if low else 1)
            if len(piece) < len(flat) and touched.mean() > 0.4:
                flats[k] = np.union1d(flat, piece)
                break
        else:
            standing.append(piece)
    if not standing:
        return standing, flats
    solid = np.sort(surface.key[np.concatenate(standing)])
    return standing, [f for f in flats if touching(surface.key[f], solid, 2).mean() < 0.2]


def _flat_things(
    surface: Surface, plane: Plane, size: float, config: DiscoverConfig
) -> Iterator[NDArray[np.int64]]:
    """Patches of a plane whose colour is not the plane's."""
    rows = plane.rows
    lab = _lab(surface.rgb[rows])
    # Shadow and gloss change lightness; hue stays.
    off = np.linalg.norm((lab - np.median(lab, 0)) * [0.5, 1, 1], axis=1)
    odd = off > max(config.flat_contrast, 2.5 * float(np.median(off)))
    pairs = neighbours(surface.key[rows])
    odd = _closed(odd, pairs)
    within = odd[pairs[0]] & odd[pairs[1]]
    label = components((pairs[0][within], pairs[1][within]), len(rows))
    for group in _groups(label, odd):
        piece = rows[group]
        small = len(group) * size * size < config.flat_area or len(group) > 0.3 * len(rows)
        if not small and _is_thing(surface, piece, config, 0.7) and _solid(surface, plane, piece):
            yield piece


def _closed(odd: NDArray[np.bool_], pairs: Pairs) -> NDArray[np.bool_]:
    """Fill specks and drop specks: each voxel takes the majority of its neighbourhood."""
    n = len(odd)
    a, b = pairs
    around = np.bincount(a, minlength=n) + np.bincount(b, minlength=n)
    for _ in range(2):
        votes = np.bincount(a, odd[b], n) + np.bincount(b, odd[a], n)
        odd = (votes + odd) * 2 > around + 1
    return odd


def _solid(surface: Surface, plane: Plane, rows: NDArray[np.int64]) -> bool:
    """Whether a patch fills its outline; a rim of shadow or a stripe does not."""
    axis = int(np.argmax(np.abs(plane.normal)))
    flat = np.delete(surface.position[rows], axis, 1)
    centered = flat - flat.mean(0)
    spread = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(centered.T)), 0))
    return bool(spread[0] > 0.15 * spread[1])


def _is_thing(
    surface: Surface, rows: NDArray[np.int64], config: DiscoverConfig, most: float | None = None
) -> bool:
    fits = config.min_extent <= _extent(surface, rows) <= (most or config.max_extent)
    often = float(np.median(surface.count[rows])) >= config.min_views
    return fits and often and len(rows) >= min(config.min_voxels, 25 if most else 10**9)


def _extent(surface: Surface, rows: NDArray[np.int64]) -> float:
    """Largest side of the axis-aligned box of a piece without its strays, metres."""
    low, high = np.percentile(surface.position[rows], [2, 98], axis=0)
    return float((high - low).max())


def _often(surface: Surface, rows: NDArray[np.int64]) -> float:
    return float(1 - np.exp(-np.median(surface.count[rows]) / 10))


def _groups(
    label: NDArray[np.int64], chosen: NDArray[np.bool_] | None = None
) -> list[NDArray[np.int64]]:
    """Indices of each label, ascending, largest group first."""
    index = np.arange(len(label)) if chosen is None else np.flatnonzero(chosen)
    order = index[np.argsort(label[index], kind="stable")]
    cuts = np.flatnonzero(np.diff(label[order])) + 1
    groups = np.split(order, cuts) if len(order) else []
    return sorted(groups, key=lambda g: (-len(g), int(g[0])))


def _lab(rgb: NDArray[np.float32]) -> NDArray[np.float64]:
    """CIE L*a*b* (D65) of sRGB values 0..255 ``[N, 3]``."""
    c = rgb.astype(np.float64) / 255
    linear = np.where(c > 0.04045, ((c + 0.055) / 1.055) ** 2.4, c / 12.92)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = linear @ to_xyz.T / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack((116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])), 1)
