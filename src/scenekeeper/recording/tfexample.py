"""``tf.train.Example``: named lists of bytes, of floats or of integers, as protobuf wire bytes.

In: such lists by name, or the bytes of a message. Out: the other of the two. Damaged bytes are a
``ValueError``, never half a message. A message is a ``Features`` in field 1, that a map of entries
in field 1, each a name (1) and a ``Feature`` (2), that a list of bytes (1), floats (2) or
integers (3), and that its values in field 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol, overload

import numpy as np
from numpy.typing import NDArray

Values = list[bytes] | NDArray[np.float32] | NDArray[np.int64]
"""One list: of bytes, ``float32 [N]`` or ``int64 [N]``."""

Span = tuple[int, int]
"""First byte and one past the last."""

_VARINT, _FIXED64, _SIZED, _FIXED32 = 0, 1, 2, 5
_BYTES, _FLOATS, _INTEGERS = 1, 2, 3
_LONGEST = 10  # bytes of a 64-bit number, seven bits each


class Data(Protocol):
    """Bytes, or what stands for them."""

    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> bytes: ...
    def __getitem__(self, at: int | slice) -> int | bytes: ...


class _Field(NamedTuple):
    number: int
    wire: int
    span: Span


def encode(features: Mapping[str, Values]) -> bytes:
    """The message that holds lists by name.

    Args:
        features: lists of bytes, ``float32 [N]`` or ``int64 [N]``.
    """
    entries = [_sized(1, _sized(1, n.encode()) + _sized(2, _list(v))) for n, v in features.items()]
    return _sized(1, b"".join(entries))


def decode(data: bytes) -> dict[str, Values]:
    """The lists in a message, by name.

    Raises:
        ValueError: the bytes are no such message.
    """
    return {name: values(data, span) for name, span in spans(data, len(data)).items()}


def spans(data: Data, length: int) -> dict[str, Span]:
    """Where the lists of a message lie, by name; what is in them is not looked at.

    Raises:
        ValueError: the bytes are no such message.
    """
    found: dict[str, Span] = {}
    for features in _only(data, (0, length), 1):
        for entry in _only(data, features, 1):
            parts = {field.number: field for field in _fields(data, entry)}
            if not parts.keys() <= {1, 2} or any(f.wire != _SIZED for f in parts.values()):
                raise ValueError("an entry is no name with a list")
            name = data[slice(*parts[1].span)].decode() if 1 in parts else ""
            if name in found:
                raise ValueError(f"{name!r} is there twice")
            found[name] = parts[2].span if 2 in parts else (0, 0)
    return found


def values(data: Data, span: Span) -> Values:
    """The list that lies at a span.

    Raises:
        ValueError: there is none.
    """
    lists = list(_fields(data, span))
    if not lists:
        return []
    kind, wire, inner = lists[0]
    if len(lists) != 1 or wire != _SIZED:
        raise ValueError("a feature is not one list")
    if kind == _BYTES:
        return [data[a:b] if b > a else b"" for a, b in _only(data, inner, 1)]
    if kind == _FLOATS:
        return _floats(_joined(data, inner, _FIXED32))
    if kind == _INTEGERS:
        return _integers(_joined(data, inner, _VARINT))
    raise ValueError(f"a feature is a list of unknown kind {kind}")


def first_bytes(data: Data, span: Span) -> bytes:
    """The first of the bytes listed at a span, without a look at the others.

    Raises:
        ValueError: there are none.
    """
    for field in _fields(data, span):
        if field.number == _BYTES and field.wire == _SIZED:
            for start, stop in _only(data, field.span, 1):
                return data[start:stop] if stop > start else b""
    raise ValueError("it lists no bytes")


# --- reading --------------------------------------------------------------------------------------


def _fields(data: Data, span: Span) -> Iterator[_Field]:
    at, stop = span
    while at < stop:
        tag, at = _varint(data, at, stop)
        wire = tag & 7
        start, size = at, {_FIXED64: 8, _FIXED32: 4}.get(wire, 0)
        if wire == _VARINT:
            _, at = _varint(data, at, stop)
            size = at - start
        elif wire == _SIZED:
            size, start = _varint(data, at, stop)
        elif not size:
            raise ValueError(f"a field of unknown type {wire}")
        at = start + size
        if at > stop:
            raise ValueError("a field reaches beyond its message")
        yield _Field(tag >> 3, wire, (start, at))


def _only(data: Data, span: Span, number: int) -> Iterator[Span]:
    """Spans of the sized fields of a message that may hold no other."""
    for field in _fields(data, span):
        if field.number != number or field.wire != _SIZED:
            raise ValueError(f"field {field.number} of type {field.wire} where none can be")
        yield field.span


def _joined(data: Data, span: Span, wire: int) -> bytes:
    """All values of a list of numbers, written together or one by one."""
    parts = []
    for field in _fields(data, span):
        if field.number != 1 or field.wire not in (_SIZED, wire):
            raise ValueError(f"field {field.number} of type {field.wire} where none can be")
        start, stop = field.span
        if stop > start:
            parts.append(data[start:stop])
    return b"".join(parts)


def _floats(data: bytes) -> NDArray[np.float32]:
    if len(data) % 4:
        raise ValueError("a float is cut")
    return np.frombuffer(data, "<f4").astype(np.float32)


def _integers(data: bytes) -> NDArray[np.int64]:
    """Numbers of seven bits a byte, lowest first; the top bit says that more follow."""
    raw = np.frombuffer(data, np.uint8)
    if not len(raw):
        return np.zeros(0, np.int64)
    ends = np.flatnonzero(raw < 128)
    if not len(ends) or ends[-1] != len(raw) - 1:
        raise ValueError("a number is cut")
    lengths = np.diff(ends, prepend=-1)
    starts = ends - lengths + 1
    place = np.arange(len(raw)) - np.repeat(starts, lengths)
    if lengths.max() > _LONGEST or (raw[place == _LONGEST - 1] > 1).any():
        raise ValueError("a number has more than 64 bits")
    digits = (raw & 127).astype(np.uint64) << (7 * place).astype(np.uint64)
    return np.bitwise_or.reduceat(digits, starts).view(np.int64)


def _varint(data: Data, at: int, stop: int) -> tuple[int, int]:
    """A number and the byte after it."""
    number = shift = 0
    while at < stop and shift < 7 * _LONGEST:
        byte = data[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at
    raise ValueError("a number is cut")


# --- writing --------------------------------------------------------------------------------------


def _list(values: Values) -> bytes:
    if isinstance(values, list):
        return _sized(_BYTES, b"".join(_sized(1, value) for value in values))
    if values.dtype == np.float32:
        return _sized(_FLOATS, _sized(1, values.astype("<f4").tobytes()))
    return _sized(_INTEGERS, _sized(1, _packed(values.astype(np.int64, casting="safe"))))


def _sized(field: int, data: bytes) -> bytes:
    head = np.array([field << 3 | _SIZED, len(data)], np.int64)
    return _packed(head) + data


def _packed(numbers: NDArray[np.int64]) -> bytes:
    place = np.arange(_LONGEST, dtype=np.uint64)
    digits = numbers.view(np.uint64)[:, None] >> (7 * place)
    used = np.maximum((digits > 0).sum(1), 1)[:, None]
    more = np.where(place < used - 1, np.uint8(128), np.uint8(0))
    raw: NDArray[np.uint8] = (digits & np.uint64(127)).astype(np.uint8) | more
    packed: bytes = raw[place < used].tobytes()
    return packed
