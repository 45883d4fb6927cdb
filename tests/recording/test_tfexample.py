"""Examples encode and decode to the same lists, and damaged bytes are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from scenekeeper.recording import tfexample

LISTS = st.one_of(
    st.lists(st.binary(max_size=20), max_size=5),
    arrays.arrays(np.float32, st.integers(0, 8)),
    arrays.arrays(np.int64, st.integers(0, 8)),
)
MESSAGES = st.dictionaries(st.text(max_size=8), LISTS, max_size=4)


def same(a: tfexample.Values, b: tfexample.Values) -> bool:
    if isinstance(a, list) or isinstance(b, list):
        return a == b
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


@given(MESSAGES)
def test_lists_survive_the_round_trip(message: dict[str, tfexample.Values]) -> None:
    after = tfexample.decode(tfexample.encode(message))
    assert after.keys() == message.keys()
    assert all(same(after[name], values) for name, values in message.items())


@given(MESSAGES, st.data())
def test_a_cut_message_is_refused(message: dict[str, tfexample.Values], data: st.DataObject):
    whole = tfexample.encode(message)
    cut = whole[: data.draw(st.integers(1, len(whole) - 1))]
    with pytest.raises(ValueError):
        tfexample.decode(cut)


@given(st.binary(max_size=60), MESSAGES, st.integers(0, 200))
def test_any_bytes_decode_or_are_refused(noise: bytes, message, at: int) -> None:
    whole = tfexample.encode(message)
    for data in (noise, whole[:at] + noise + whole[at + len(noise) :]):
        try:
            tfexample.decode(data)
        except ValueError:
            continue


def test_bytes_are_those_of_the_protobuf_definition() -> None:
    message = {"a": np.array([1, -1, 300]), "b": np.array([1.5], np.float32), "c": [b"xy"]}
    expected = (
        "0a34"
        "0a16 0a0161 1211 1a0f 0a0d 01 ffffffffffffffffff01 ac02"
        "0a0d 0a0162 1208 1206 0a04 0000c03f"
        "0a0b 0a0163 1206 0a04 0a02 7879"
    )
    assert tfexample.encode(message) == bytes.fromhex(expected)


def test_numbers_written_one_by_one_are_read_too() -> None:
    """Protobuf writes lists of numbers together, but readers must take both."""
    floats = bytes.fromhex("0a130a110a0178120c120a0d0000c03f0d00000040")
    assert tfexample.decode(floats)["x"].tolist() == [1.5, 2.0]
    integers = bytes.fromhex("0a0e0a0c0a017812071a05080508ac02")
    assert tfexample.decode(integers)["x"].tolist() == [5, 300]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("0a050a030a01780801", "field 1 of type 0"),
        ("0a080a060a0178120100", "a number is cut"),
        ("0a0e0a050a017812000a050a01781200", "there twice"),
        ("0a0d0a0b0a0178120612040a020000", "a float is cut"),
        ("0a0c0a0a0a0178120522030a0178", "unknown kind 4"),
        ("0a160a140a0178120f1a0d0a0b" + "ff" * 10 + "01", "more than 64 bits"),
        ("0b", "unknown type 3"),
    ],
)
def test_what_is_wrong_is_said(data: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        tfexample.decode(bytes.fromhex(data))


def test_lists_are_found_without_looking_into_them() -> None:
    whole = tfexample.encode({"pictures": [b"first", b"second"], "n": np.arange(3)})
    found = tfexample.spans(whole, len(whole))
    assert tfexample.values(whole, found["n"]).tolist() == [0, 1, 2]
    assert tfexample.first_bytes(whole, found["pictures"]) == b"first"
