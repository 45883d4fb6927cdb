"""TFRecord files give what was written into them, and say where they are damaged."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenekeeper.errors import RecordingError
from scenekeeper.recording import tfrecord


def written(path: Path, *contents: bytes) -> Path:
    with path.open("wb") as file:
        for data in contents:
            tfrecord.write(file, data)
    return path


def test_bytes_are_those_that_tensorflow_writes() -> None:
    """``tf.io.TFRecordWriter`` made these of ``b"abc"``."""
    file = io.BytesIO()
    assert tfrecord.write(file, b"abc") == 19
    assert file.getvalue().hex() == "0300000000000000b099490e6162636e57f121"


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_records_read_back_in_order(tmp_path_factory: pytest.TempPathFactory, contents) -> None:
    path = written(tmp_path_factory.mktemp("records") / "x", *contents)
    found = tfrecord.listing(path)
    assert found.damage is None
    assert [tfrecord.read(record) for record in found.records] == contents


@pytest.mark.parametrize("lost", [1, 4, 5, 7, 8, 15, 18])
def test_a_cut_file_gives_the_records_before_the_cut(tmp_path: Path, lost: int) -> None:
    path = written(tmp_path / "x", b"first", b"abc")
    path.write_bytes(path.read_bytes()[:-lost])
    found = tfrecord.listing(path)
    assert [tfrecord.read(record) for record in found.records] == [b"first"]
    assert found.damage == "the file is cut in record 1 at byte 21"


def test_a_damaged_length_ends_the_list_and_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "x", b"first", b"second", b"third")
    data = bytearray(path.read_bytes())
    data[21] ^= 1
    path.write_bytes(data)
    found = tfrecord.listing(path)
    assert len(found.records) == 1
    assert found.damage == "the length of record 1 at byte 21 is damaged"


def test_damaged_bytes_are_an_error_of_that_record_alone(tmp_path: Path) -> None:
    path = written(tmp_path / "x", b"first", b"second")
    data = bytearray(path.read_bytes())
    data[13] ^= 1
    path.write_bytes(data)
    first, second = tfrecord.listing(path).records
    with pytest.raises(RecordingError, match=r"record 0 at byte 0: its checksum is wrong"):
        tfrecord.read(first)
    assert tfrecord.read(second) == b"second"


def test_a_window_reads_like_the_bytes_themselves(tmp_path: Path) -> None:
    contents = bytes(range(256)) * 40
    [_, record] = tfrecord.listing(written(tmp_path / "x", b"before", contents)).records
    with record.path.open("rb") as file:
        window = tfrecord.Window(file, record)
        assert len(window) == len(contents)
        assert [window[k] for k in (0, 9000, 4095, 4096)] == [0, 40, 255, 0]
        assert window[5000:6000] == contents[5000:6000]


def test_a_file_that_became_shorter_is_no_crash(tmp_path: Path) -> None:
    [record] = tfrecord.listing(written(tmp_path / "x", b"abc" * 3000)).records
    with record.path.open("rb") as file:
        window = tfrecord.Window(file, record)
        record.path.write_bytes(b"short")
        with pytest.raises(ValueError, match="shorter"):
            window[8000]
    with pytest.raises(RecordingError, match="checksum"):
        tfrecord.read(record)
