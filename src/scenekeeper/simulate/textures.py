"""Procedural textures: wood, cloth, tiles, packages, covers, screens, pictures.

In: a seed. Out: square images that multiply a material's base colour, several per kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

Float32 = NDArray[np.float32]

SIZE = 128
_WORDS = (
    *("CORN", "OATS", "SOUP", "RICE", "MILK", "FRESH", "NUTS", "CHOCO", "BEANS", "TEA", "SUN"),
    *("ORGANIC", "SALSA", "HONEY", "CRISP", "TOMATO", "COLA", "VITA", "PURE", "GREEN", "BIO"),
    *("ATLAS", "ROBOT", "DUNE", "NOVA", "FIELD", "GUIDE", "ART", "MAPS", "CODE", "OCEAN"),
)
_LETTERS = "abcde fghi lmno prst uvw"


@dataclass(frozen=True, eq=False)
class Textures:
    """A pool of textures.

    Attributes:
        layers: ``float32 [L, S, S, 3]``, 0 to 1.3.
        kinds: the layers of each kind.
    """

    layers: Float32
    kinds: dict[str, tuple[int, ...]]


@lru_cache(maxsize=4)
def textures(seed: int) -> Textures:
    """The pool of a seed; pools differ in every label, cover and picture."""
    rng = np.random.default_rng([seed, 3])
    layers: list[Float32] = []
    kinds: dict[str, list[int]] = {}
    for kind, count, make in _RECIPES:
        for _ in range(count):
            kinds.setdefault(kind, []).append(len(layers))
            layers.append(np.clip(make(rng), 0, 1.3).astype(np.float32))
    return Textures(np.stack(layers), {k: tuple(v) for k, v in kinds.items()})


def noise(
    rng: np.random.Generator, octaves: int = 5, across: float = 1, down: float = 1
) -> Float32:
    """Fractal noise ``[S, S]`` in 0..1 that tiles; more across or down makes it finer there."""
    out = np.zeros((SIZE, SIZE), np.float32)
    weight = 1.0
    for k in range(octaves):
        shape = [min(SIZE, max(2, int(2 ** (k + 1) * s))) for s in (down, across)]
        cells = rng.random(shape).astype(np.float32)
        zoom = (SIZE / shape[0], SIZE / shape[1])
        smooth = ndimage.zoom(cells, zoom, order=1, mode="grid-wrap", grid_mode=True)
        out += weight * smooth[:SIZE, :SIZE]
        weight *= 0.55
    return np.asarray((out - out.min()) / max(float(np.ptp(out)), 1e-6), np.float32)


def _coordinates() -> tuple[Float32, Float32]:
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    return x.astype(np.float32), y.astype(np.float32)


def _gray(values: NDArray[np.floating]) -> Float32:
    return np.repeat(np.asarray(values, np.float32)[..., None], 3, 2)


def _wood(rng: np.random.Generator) -> Float32:
    _, y = _coordinates()
    fine, coarse = noise(rng, 5, 1, 8), noise(rng, 3)
    rings = 0.5 + 0.5 * np.sin((y * rng.uniform(8, 18) + coarse * 5 + fine * 1.2) * 6.28)
    tint = np.array([1, 0.98, 0.93], np.float32)
    return np.asarray(_gray(0.72 + 0.22 * rings + 0.12 * fine) * tint, np.float32)


def _planks(rng: np.random.Generator) -> Float32:
    x, y = _coordinates()
    rows = int(rng.integers(4, 8))
    row = np.floor(y * rows).astype(int)
    shade = (rng.random(rows) * 0.3 + 0.7)[row]
    start = rng.random(rows)[row]
    seam = ((y * rows) % 1 < 0.05) | (((x + start) * 2) % 1 < 0.015)
    return _gray((shade + 0.15 * noise(rng, 5, 1, 16)) * np.where(seam, 0.45, 1))


def _tiles(rng: np.random.Generator) -> Float32:
    x, y = _coordinates()
    n = int(rng.integers(2, 6))
    seam = ((x * n) % 1 < 0.05) | ((y * n) % 1 < 0.05)
    return _gray(np.where(seam, 0.6, 1 - 0.1 * noise(rng, 3)))


def _plaster(rng: np.random.Generator) -> Float32:
    return _gray(0.93 + 0.07 * noise(rng, 6, 4, 4))


def _fabric(rng: np.random.Generator) -> Float32:
    x, y = _coordinates()
    pitch = rng.uniform(0.8, 1.6) * SIZE
    weave = 0.1 * np.sin(x * pitch) + 0.1 * np.sin(y * pitch)
    return _gray(0.8 + weave + 0.15 * noise(rng, 6, 6, 6))


def _stripes(rng: np.random.Generator) -> Float32:
    _, y = _coordinates()
    first, second = rng.random((2, 3)) * 0.8 + 0.2
    band = ((y * rng.integers(4, 10)) % 1 < rng.uniform(0.3, 0.6))[..., None]
    return np.asarray(np.where(band, first, second), np.float32)


def _checks(rng: np.random.Generator) -> Float32:
    x, y = _coordinates()
    n = int(rng.integers(3, 7))
    first, second = rng.random((2, 3)) * 0.7 + 0.3
    odd = (((y * n).astype(int) + (x * n).astype(int)) % 2)[..., None]
    return np.asarray(np.where(odd, first, second), np.float32)


def _marble(rng: np.random.Generator) -> Float32:
    x, y = _coordinates()
    vein = np.abs(np.sin((x * 2 + y + noise(rng, 6, 2, 2) * 3) * 3.1)) ** 0.4
    return _gray(0.75 + 0.3 * vein)


def _speckle(rng: np.random.Generator) -> Float32:
    return _gray(np.where(noise(rng, 7, 16, 16) > 0.62, 0.75, 1.0))


def _dots(rng: np.random.Generator) -> Float32:
    with _Canvas((1.0, 1.0, 1.0)) as canvas:
        color = tuple(rng.uniform(0.2, 0.7, 3))
        for _ in range(int(rng.integers(30, 80))):
            x, y, r = rng.random() * SIZE, rng.random() * SIZE, rng.uniform(1, 4)
            canvas.ellipse(x, y, r, r, color)
    return canvas.pixels()


def _label(rng: np.random.Generator) -> Float32:
    """A package's front: blocks and discs of colour, a brand, small print."""
    with _Canvas(_random_color(rng, 0.3, 1.0)) as canvas:
        for _ in range(int(rng.integers(1, 5))):
            x, y = rng.random(2) * SIZE
            color = _random_color(rng, 0, 1)
            kind = rng.integers(4)
            if kind == 0:
                canvas.box(0, y, SIZE, y + SIZE * rng.uniform(0.1, 0.35), color)
            elif kind == 1:
                r = SIZE * rng.uniform(0.1, 0.3)
                canvas.ellipse(x, y, r, r, color)
            elif kind == 2:
                canvas.ellipse(x, y, 0.4 * SIZE, 0.15 * SIZE, color)
            else:
                canvas.box(x, 0, x + SIZE * rng.uniform(0.05, 0.3), SIZE, color)
        ink = _random_color(rng, 0, 1)
        size = SIZE * rng.uniform(0.18, 0.3)
        canvas.text(_word(rng), 0.04 * SIZE, SIZE * rng.uniform(0.1, 0.5), size, ink)
        for k in range(int(rng.integers(2, 6))):
            words = _LETTERS[: int(rng.integers(6, len(_LETTERS)))]
            canvas.text(words, 0.05 * SIZE, SIZE * (0.68 + 0.06 * k), 0.07 * SIZE, ink)
    return canvas.pixels()


def _cover(rng: np.random.Generator) -> Float32:
    """A book's or magazine's cover; one in three carries a photograph."""
    with _Canvas(_random_color(rng, 0.1, 0.9)) as canvas:
        if rng.random() < 0.33:
            canvas.paste(_picture(rng), rng.uniform(0, 0.4))
        for _ in range(int(rng.integers(0, 4))):
            a, b = np.sort(rng.random((2, 2)) * SIZE, axis=0)
            canvas.box(a[0], a[1], b[0], b[1], _random_color(rng, 0, 1))
        ink = _random_color(rng, 0.6, 1.0) if rng.random() < 0.7 else _random_color(rng, 0, 0.3)
        canvas.text(_word(rng), 0.05 * SIZE, SIZE * rng.uniform(0.05, 0.3), 0.2 * SIZE, ink)
        canvas.text(_word(rng), 0.07 * SIZE, 0.82 * SIZE, 0.11 * SIZE, ink)
    return canvas.pixels()


def _print(rng: np.random.Generator) -> Float32:
    """A printed sheet: paragraphs, sometimes a figure."""
    with _Canvas((0.97, 0.97, 0.96)) as canvas:
        y = 0.06
        while y < 0.92:
            if rng.random() < 0.12:
                canvas.box(0.1 * SIZE, y * SIZE, 0.9 * SIZE, (y + 0.2) * SIZE, (0.8, 0.82, 0.86))
                y += 0.23
                continue
            end = SIZE * (rng.uniform(0.3, 0.8) if rng.random() < 0.2 else 0.92)
            canvas.box(0.08 * SIZE, y * SIZE, end, (y + 0.012) * SIZE, (0.35, 0.35, 0.37))
            y += 0.032
    return canvas.pixels()


def _keys(rng: np.random.Generator) -> Float32:
    dark = rng.random() < 0.6
    with _Canvas((0.12,) * 3 if dark else (0.85,) * 3) as canvas:
        for j in range(5):
            for i in range(14):
                odd = rng.random() < 0.05
                color = ((0.6 if odd else 0.28),) * 3 if dark else ((0.75 if odd else 1.0),) * 3
                canvas.box(
                    (i + 0.12) * SIZE / 14,
                    (j + 0.12) * SIZE / 5,
                    (i + 0.88) * SIZE / 14,
                    (j + 0.85) * SIZE / 5,
                    color,
                )
    return canvas.pixels()


def _screen(rng: np.random.Generator) -> Float32:
    with _Canvas(_random_color(rng, 0.05, 0.6)) as canvas:
        for _ in range(4):
            x, y = rng.random(2) * SIZE * 0.7
            w, h = rng.random(2) * SIZE * 0.5 + 10
            canvas.box(x, y, x + w, y + h, _random_color(rng, 0.5, 1))
            for k in range(6):
                end = x + rng.uniform(8, max(9, w - 4))
                canvas.box(x + 3, y + 6 + 6 * k, end, y + 7 + 6 * k, (0.2, 0.2, 0.3))
    return canvas.pixels()


def _picture(rng: np.random.Generator) -> Float32:
    """A landscape or an abstract."""
    _, y = _coordinates()
    sky, ground = rng.random(3), rng.random(3)
    horizon = noise(rng, 4)[SIZE // 2] * 0.4 + 0.3
    above = (y < horizon[None])[..., None]
    painted = np.where(
        above, sky * (1 - 0.4 * y[..., None]), ground * (0.6 + 0.4 * noise(rng)[..., None])
    )
    with _Canvas((0, 0, 0)) as canvas:
        canvas.paste(painted.astype(np.float32), 0)
        for _ in range(int(rng.integers(0, 5))):
            x, y_, r = rng.random() * SIZE, rng.random() * SIZE, rng.uniform(3, 22)
            canvas.ellipse(x, y_, r, r * rng.uniform(0.5, 1.5), _random_color(rng, 0, 1))
    return canvas.pixels()


def _clock(rng: np.random.Generator) -> Float32:
    with _Canvas((1, 1, 1)) as canvas:
        canvas.ellipse(SIZE / 2, SIZE / 2, 0.46 * SIZE, 0.46 * SIZE, (0.95, 0.95, 0.92))
        middle = SIZE / 2
        for hour in range(12):
            a = hour * np.pi / 6
            canvas.line(middle, middle, a, 0.36 * SIZE, 0.43 * SIZE, 3)
        canvas.line(middle, middle, rng.uniform(0, 6.28), 0, 0.3 * SIZE, 4)
        canvas.line(middle, middle, rng.uniform(0, 6.28), 0, 0.4 * SIZE, 3)
    return canvas.pixels()


def _fruit(rng: np.random.Generator) -> Float32:
    tint = np.array([1, 0.97, 0.9], np.float32)
    return np.asarray(_gray(0.85 + 0.2 * noise(rng, 6, 6, 6)) * tint, np.float32)


def _peel(rng: np.random.Generator) -> Float32:
    return _gray(0.92 + 0.1 * noise(rng, 7, 24, 24))


def _leaf(rng: np.random.Generator) -> Float32:
    return _gray(0.7 + 0.3 * noise(rng, 4, 1, 6))


_Recipe = tuple[str, int, Callable[[np.random.Generator], Float32]]
_RECIPES: tuple[_Recipe, ...] = (
    ("wood", 3, _wood),
    ("planks", 2, _planks),
    ("tiles", 2, _tiles),
    ("plaster", 2, _plaster),
    ("fabric", 3, _fabric),
    ("stripes", 5, _stripes),
    ("checks", 3, _checks),
    ("marble", 2, _marble),
    ("speckle", 2, _speckle),
    ("dots", 2, _dots),
    ("label", 16, _label),
    ("cover", 14, _cover),
    ("print", 3, _print),
    ("keys", 3, _keys),
    ("screen", 5, _screen),
    ("picture", 8, _picture),
    ("clock", 2, _clock),
    ("fruit", 2, _fruit),
    ("peel", 1, _peel),
    ("leaf", 2, _leaf),
)
KINDS = frozenset(kind for kind, _, _ in _RECIPES)


def _random_color(rng: np.random.Generator, low: float, high: float) -> tuple[float, ...]:
    return tuple(rng.uniform(low, high, 3).tolist())


def _word(rng: np.random.Generator) -> str:
    return _WORDS[int(rng.integers(len(_WORDS)))]


class _Canvas:
    """Something to draw on, in colours from 0 to 1."""

    def __init__(self, color: tuple[float, ...]) -> None:
        self.image = Image.new("RGB", (SIZE, SIZE), _ink(color))

    def __enter__(self) -> _Canvas:
        self.draw = ImageDraw.Draw(self.image)
        return self

    def __exit__(self, *_: object) -> None:
        del self.draw

    def box(self, x0: float, y0: float, x1: float, y1: float, color: tuple[float, ...]) -> None:
        self.draw.rectangle((x0, y0, max(x0, x1), max(y0, y1)), _ink(color))

    def ellipse(self, x: float, y: float, rx: float, ry: float, color: tuple[float, ...]) -> None:
        self.draw.ellipse((x - rx, y - ry, x + rx, y + ry), _ink(color))

    def line(self, x: float, y: float, a: float, start: float, stop: float, width: int) -> None:
        c, s = float(np.cos(a)), float(np.sin(a))
        ends = (x + start * c, y + start * s, x + stop * c, y + stop * s)
        self.draw.line(ends, _ink((0.08, 0.08, 0.08)), width)

    def text(self, words: str, x: float, y: float, size: float, color: tuple[float, ...]) -> None:
        self.draw.text((x, y), words, _ink(color), ImageFont.load_default(max(6.0, size)))

    def paste(self, pixels: Float32, top: float) -> None:
        values = np.rint(255 * np.clip(pixels, 0, 1)).astype(np.uint8)
        self.image.paste(Image.fromarray(values), (0, int(top * SIZE)))

    def pixels(self) -> Float32:
        return np.asarray(self.image, np.float32) / np.float32(255)


def _ink(color: tuple[float, ...]) -> tuple[int, ...]:
    return tuple(round(255 * min(1.0, max(0.0, float(c)))) for c in color)
