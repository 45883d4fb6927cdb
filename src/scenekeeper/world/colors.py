"""The eleven basic colour words, measured in CIE Lab."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

WORDS = (
    "black", "white", "gray", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown",
)  # fmt: skip

_DARK, _BRIGHT = 27.0, 83.0
"""Lightness below which what has no hue is black, and above which it is white."""

_HUELESS = 11.0
"""Chroma at which a hue begins to be named, in the middle of the lightnesses."""

_SOFT_L, _SOFT_C, _SOFT_H = 4.0, 2.5, 6.0
"""How gradual the borders are: lightness, chroma, degrees of hue."""

_HUES = (
    (2.0, "pink"), (46.0, "red"), (77.0, "orange"), (108.0, "yellow"),
    (195.0, "green"), (301.0, "blue"), (329.0, "purple"),
)  # fmt: skip
"""Upper border of each hue, degrees of Lab's hue angle; what lies beyond the last is pink."""


def lab(rgb: NDArray[np.uint8]) -> Float:
    """CIE Lab ``[N, 3]`` (D65) of sRGB colours ``uint8 [N, 3]``."""
    return lab_of(linear(rgb))


def linear(rgb: NDArray[np.uint8]) -> Float:
    """Amounts of light ``float64 [N, 3]``, 0 to 1, of sRGB colours ``uint8 [N, 3]``."""
    c = np.asarray(rgb, np.float64).reshape(-1, 3) / 255
    return np.asarray(np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4), np.float64)


def lab_of(linear: Float) -> Float:
    """CIE Lab ``[N, 3]`` (D65) of amounts of light ``[N, 3]``."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = linear @ to_xyz.T / to_xyz.sum(1)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = f.T
    return np.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), 1)


def color_shares(rgb: NDArray[np.uint8]) -> dict[str, float]:
    """How much of a surface each colour word says.

    Borders between words are gradual, so one colour near a border has two words.

    Args:
        rgb: ``uint8 [N, 3]`` sRGB colours of its points.

    Returns:
        Share of each of :data:`WORDS` that has any, falling; they add up to 1. Empty for N = 0.
    """
    if np.asarray(rgb).size == 0:
        return {}
    mean = memberships(lab(rgb)).mean(0)
    mean = np.where(mean < 0.005, 0, mean)
    mean /= mean.sum()
    order = np.argsort(-mean, kind="stable")
    return {WORDS[k]: round(float(mean[k]), 4) for k in order if mean[k] > 0}


def memberships(colors: Float) -> Float:
    """How well each word fits each colour: Lab ``[N, 3]`` in, ``[N, 11]`` out; rows add up to 1."""
    lightness, a, b = colors.T
    chroma, hue = np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360
    out = np.zeros((len(colors), len(WORDS)))
    # A warm cast of light tints what is white, so bright surfaces need more chroma for a hue; in
    # the dark little is left of any.
    bright, dim = np.clip((lightness - 75) / 20, 0, 1), np.clip((30 - lightness) / 6, 0, 5)
    needed = _HUELESS + 8 * bright - dim
    hued = _step((chroma - needed) / _SOFT_C)
    hued *= _step((lightness - 9) / 2)
    black, white = _step((_DARK - lightness) / _SOFT_L), _step((lightness - _BRIGHT) / _SOFT_L)
    _add(out, "black", (1 - hued) * black)
    _add(out, "white", (1 - hued) * white)
    _add(out, "gray", (1 - hued) * (1 - black) * (1 - white))
    # Lab bends: of one blue, the more vivid lies nearer to purple.
    straight = np.where((hue > 195) & (hue < 335), hue - 0.1 * chroma, hue)
    for word, share in _hues(straight).items():
        for name, part in _by_lightness(word, lightness, chroma, hue).items():
            _add(out, name, hued * share * part)
    return np.asarray(out / np.maximum(out.sum(1, keepdims=True), 1e-12))


def _hues(hue: Float) -> dict[str, Float]:
    """Share of each hue's word: 1 within its borders, falling over across them."""
    out: dict[str, Float] = {}
    borders = [border for border, _ in _HUES]
    names = [name for _, name in _HUES] + ["pink"]
    for k, name in enumerate(names):
        low = borders[k - 1] if k else borders[-1] - 360
        high = borders[k] if k < len(borders) else borders[0] + 360
        share = np.zeros(len(hue))
        for turn in (-360, 0, 360):
            at = hue + turn
            share += _step((at - low) / _SOFT_H) * _step((high - at) / _SOFT_H)
        # "pink" stands at both ends of the circle, which is the same place.
        out[name] = np.maximum(out[name], share) if name in out else share
    return out


def _by_lightness(word: str, lightness: Float, chroma: Float, hue: Float) -> dict[str, Float]:
    """What a hue is called where it is dark, bright or dull: red is also brown and pink."""
    if word == "red":
        pink = _step((lightness - 62) / _SOFT_L)
        brown = _step((38 - chroma) / 3) * _step((hue % 360 - 15) / 8) * _step((190 - hue) / 20)
        brown = brown * (1 - pink)
        return {"pink": pink, "brown": brown, "red": 1 - pink - brown}
    if word == "orange":
        # Skin and pale wood are bright and dull; rust and wood are dark.
        brown = np.maximum(_step((58 - lightness) / _SOFT_L), _step((46 - chroma) / 4))
        return {"brown": brown, "orange": 1 - brown}
    if word == "yellow":
        dull = _step((38 - chroma) / 4) * _step((84 - lightness) / _SOFT_L)
        dark = _step((52 - lightness) / _SOFT_L) * _step((96 - hue) / 5)
        brown = np.maximum(dull * _step((100 - hue) / 5), dark)
        return {"brown": brown, "yellow": 1 - brown}
    if word == "pink":
        purple = _step((36 - lightness) / _SOFT_L) * _step((345 - hue) / 6) * _step((hue - 180) / 6)
        return {"purple": purple, "pink": 1 - purple}
    return {word: np.ones(len(lightness))}


def _step(x: Float) -> Float:
    return np.asarray(1 / (1 + np.exp(-np.clip(2.2 * x, -40, 40))))


def _add(out: Float, word: str, share: Float) -> None:
    out[:, WORDS.index(word)] += share


def best_word(shares: Mapping[str, float]) -> str | None:
    """The colour word of the largest share; ``None`` where there is none to speak of."""
    word = max(shares, key=lambda w: shares[w], default=None)
    return word if word is not None and shares[word] >= 0.35 else None
