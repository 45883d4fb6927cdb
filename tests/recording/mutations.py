"""Seeded damage to a recording: bytes cut, flipped, blanked, repeated; files lost or replaced."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from pathlib import Path

Tree = dict[str, bytes | None]
"""Files by relative path; ``None`` stands for a folder in a file's place."""

_NUMBER = re.compile(rb"-?\d+(\.\d+)?")
_TEXT = (b"nan", b"-1", b"1e999", b"9" * 30, b"0", b"-inf", b"2147483648", b"null", b"", b'"x"')
_TEXT_FILES = (".txt", ".json", ".jsonl", ".yaml")


def read_tree(root: Path) -> Tree:
    """All files under a folder, or a file alone under the empty path."""
    if root.is_file():
        return {"": root.read_bytes()}
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def write_tree(root: Path, tree: Mapping[str, bytes | None]) -> None:
    for name, data in tree.items():
        path = root / name if name else root
        if data is None:
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def damaged(whole: Tree, seed: int) -> Tree:
    """A copy with one file damaged, sometimes more; the same seed gives the same damage."""
    chance = random.Random(seed)
    tree = dict(whole)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        name = chance.choice(sorted(tree))
        data = tree[name]
        if data is None:
            continue
        if chance.random() < 0.15:
            _replace(tree, name, chance)
        else:
            tree[name] = _mutated(data, chance, Path(name).suffix in _TEXT_FILES)
        if not tree:
            break
    return tree


def _replace(tree: Tree, name: str, chance: random.Random) -> None:
    kind = chance.randrange(5)
    if kind == 0:
        tree[name] = b""
    elif kind == 1:
        tree[name] = chance.randbytes(chance.randrange(1, 300))
    elif kind == 2:
        tree[name] = None
    elif kind == 3:
        tree[name] = tree[chance.choice(sorted(tree))]
    elif name:
        del tree[name]


def _mutated(data: bytes, chance: random.Random, text: bool) -> bytes:
    kind = chance.randrange(8)
    at = chance.randrange(len(data) + 1)
    length = chance.choice((1, 4, 16, 64, 512))
    if text and kind < 4:
        return _other_number(data, chance)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return _flipped(data, chance)
    if kind == 2:
        return data[:at] + bytes(len(data[at : at + length])) + data[at + length :]
    if kind == 3:
        return data[: at + length] + data[at:]
    if kind == 4:
        return data[:at] + data[at + length :]
    if kind == 5:
        return _huge(data, chance)
    if kind == 6:
        return data[:at] + chance.randbytes(length) + data[at:]
    return _flipped(data[:2000], chance) + data[2000:]  # heads say how long things are


def _flipped(data: bytes, chance: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(chance.randrange(1, 12) if out else 0):
        out[chance.randrange(len(out))] = chance.randrange(256)
    return bytes(out)


def _huge(data: bytes, chance: random.Random) -> bytes:
    """A field of 2, 4 or 8 bytes made as large as it gets, or as large as passes for signed."""
    size = chance.choice((2, 4, 8))
    number = chance.choice(((1 << 8 * size) - 1, (1 << 8 * size - 1) - 1, 1 << 8 * size - 4))
    at = chance.randrange(max(len(data) - size, 1))
    head = data[:at] + number.to_bytes(size, chance.choice(("little", "big")))
    return head + data[at + size :]


def _other_number(data: bytes, chance: random.Random) -> bytes:
    numbers = list(_NUMBER.finditer(data))
    if not numbers:
        return _flipped(data, chance)
    found = chance.choice(numbers)
    return data[: found.start()] + chance.choice(_TEXT) + data[found.end() :]
