from __future__ import annotations

import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from scenekeeper.errors import RecordingError
from scenekeeper.recording.files import (
    DepthUnits,
    FileSource,
    numbered,
    picture_size,
    plain_files,
)

SIZE = (32, 24)
RAMP = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32)
GREY = (RAMP % 200).astype(np.uint8)
RGB = np.stack((GREY, GREY // 2, 255 - GREY), -1)
METRES = DepthUnits(1000)


def read_one(path: Path, depth: DepthUnits | None = None) -> np.ndarray:
    return next(FileSource((path,), SIZE, depth).read([0]))


def save(path: Path, pixels: np.ndarray | Image.Image, **options: object) -> Path:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


def test_png_colour_comes_back_exactly(tmp_path):
    picture = read_one(save(tmp_path / "a.png", RGB))
    assert picture.dtype == np.uint8
    assert picture.flags.writeable
    np.testing.assert_array_equal(picture, RGB)


def test_jpeg_colour_comes_back_as_rgb(tmp_path):
    smooth = np.full((24, 32, 3), (200, 100, 30), np.uint8)
    picture = read_one(save(tmp_path / "a.jpg", smooth, quality=95))
    assert np.abs(picture.astype(int) - smooth).max() <= 4


@pytest.mark.parametrize("name", ["grey.jpg", "grey.png"])
def test_grey_pictures_become_three_equal_channels(tmp_path, name):
    picture = read_one(save(tmp_path / name, GREY))
    assert picture.shape == (24, 32, 3)
    np.testing.assert_array_equal(picture[..., 0], picture[..., 2])
    assert np.abs(picture[..., 0].astype(int) - GREY).mean() < 12


def test_cmyk_jpeg_has_the_colours_it_was_saved_with(tmp_path):
    image = Image.new("RGB", SIZE, (220, 40, 90)).convert("CMYK")
    picture = read_one(save(tmp_path / "a.jpg", image, quality=95))
    assert np.abs(picture.astype(int) - (220, 40, 90)).max() <= 6


def test_palette_and_transparent_pictures_become_rgb(tmp_path):
    palette = read_one(save(tmp_path / "p.png", Image.fromarray(RGB).quantize(8)))
    clear = read_one(save(tmp_path / "a.png", Image.fromarray(RGB).convert("RGBA")))
    assert palette.shape == (24, 32, 3)
    np.testing.assert_array_equal(clear, RGB)


def test_sixteen_bit_grey_keeps_its_upper_byte_as_colour(tmp_path):
    picture = read_one(save(tmp_path / "a.png", (RAMP * 80).astype(np.uint16)))
    np.testing.assert_array_equal(picture[..., 1], (RAMP * 80) >> 8)


def test_depth_is_metres_and_every_invalid_number_is_zero(tmp_path):
    numbers = RAMP + 1
    numbers[0, :3] = 0, 65535, 65534
    path = save(tmp_path / "a.png", numbers)
    depth = read_one(path, DepthUnits(1000, invalid=(0, 65535)))
    assert depth.dtype == np.float32
    assert depth.shape == (24, 32)
    np.testing.assert_array_equal(depth[0, :3], np.float32([0, 0, 65.534]))
    np.testing.assert_array_equal(depth[1:], (numbers[1:] / 1000).astype(np.float32))


@pytest.mark.parametrize("name", ["eight-bit.png", "rgb.png", "lossy.jpg"])
def test_depth_that_is_not_16_bit_grey_is_refused(tmp_path, name):
    path = save(tmp_path / name, RGB if name == "rgb.png" else GREY)
    with pytest.raises(RecordingError, match=rf"{name}.*16-bit"):
        read_one(path, METRES)


def test_rows_come_in_the_order_asked_and_are_opened_only_then(tmp_path):
    files = tuple(save(tmp_path / f"{k}.png", RGB // (k + 1)) for k in range(3))
    source = FileSource((*files, tmp_path / "missing.png"), SIZE)
    assert len(source) == 4
    pictures = source.read([0, 2, 3])
    np.testing.assert_array_equal(next(pictures), RGB)
    np.testing.assert_array_equal(next(pictures), RGB // 3)
    with pytest.raises(RecordingError, match=r"missing\.png"):
        next(pictures)


def test_several_threads_read_the_same_source(tmp_path):
    files = tuple(save(tmp_path / f"{k}.png", RGB // (k + 1)) for k in range(8))
    source = FileSource(files, SIZE)
    with ThreadPoolExecutor(4) as pool:
        passes = list(pool.map(lambda _: list(source.read(range(8))), range(4)))
    for pictures in passes:
        for k, picture in enumerate(pictures):
            np.testing.assert_array_equal(picture, RGB // (k + 1))


@pytest.mark.parametrize(("name", "form"), [("a.jpg", "jpeg"), ("a.png", "png")])
def test_encoded_gives_the_bytes_of_the_file(tmp_path, name, form):
    path = save(tmp_path / name, RGB)
    encoded = FileSource((path,), SIZE).encoded(0)
    assert encoded.format == form
    assert encoded.data == path.read_bytes()


def test_encoded_goes_by_content_and_refuses_what_is_no_picture(tmp_path):
    misnamed = tmp_path / "really-a-jpeg.png"
    save(tmp_path / "a.jpg", RGB).rename(misnamed)
    (tmp_path / "text.png").write_text("no picture")
    source = FileSource((misnamed, tmp_path / "text.png", tmp_path / "gone.png"), SIZE)
    encoded = source.encoded(0)
    assert encoded.format == "jpeg"
    for row, name in ((1, "text"), (2, "gone")):
        with pytest.raises(RecordingError, match=rf"{name}\.png"):
            source.encoded(row)


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_a_picture_of_another_size_is_refused_with_both_sizes(tmp_path, name):
    path = save(tmp_path / name, RGB[:10, :20])
    with pytest.raises(RecordingError, match=rf"{name}.*20x10.*32x24"):
        read_one(path)


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_a_picture_cut_anywhere_is_refused_by_name(tmp_path, name):
    path = save(tmp_path / name, RGB)
    whole = path.read_bytes()
    # A PNG without its last 12 bytes lacks only the end mark; all its pixels are there.
    for length in {0, 1, 4, 9, len(whole) // 3, len(whole) // 2, len(whole) - 20}:
        path.write_bytes(whole[:length])
        with pytest.raises(RecordingError, match=name):
            read_one(path)


def test_one_flipped_bit_in_a_depth_png_never_passes_as_other_depth(tmp_path):
    path = save(tmp_path / "a.png", RAMP)
    whole = path.read_bytes()
    good = read_one(path, METRES)
    for place in range(8, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        try:
            depth = read_one(path, METRES)
        except RecordingError:
            continue
        np.testing.assert_array_equal(depth, good)


def test_truncated_pictures_stay_errors_for_everyone_else(tmp_path):
    path = save(tmp_path / "a.png", RGB)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(RecordingError):
        read_one(path)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


@pytest.mark.parametrize("missing", [b"IDAT", b"PLTE"])
def test_a_png_without_pixels_or_palette_is_refused(tmp_path, missing):
    path = save(tmp_path / "a.png", Image.fromarray(RGB).quantize(8))
    whole = path.read_bytes()
    start = whole.index(missing) - 4
    stop = start + 12 + int.from_bytes(whole[start : start + 4], "big")
    path.write_bytes(whole[:start] + whole[stop:])
    with pytest.raises(RecordingError, match=r"a\.png.*no pixels"):
        read_one(path)


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IDAT"


@pytest.mark.parametrize("side", [9000, 60_000, 2_000_000_000])
def test_a_header_that_claims_too_much_is_refused_before_decoding(tmp_path, side):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(side, side))
    with pytest.raises(RecordingError, match=r"bomb\.png"):
        picture_size([path])
    with pytest.raises(RecordingError, match=r"bomb\.png"):
        read_one(path)


def test_the_size_comes_from_the_first_header_that_can_be_read(tmp_path):
    (tmp_path / "0.png").write_bytes(b"damaged")
    files = [tmp_path / "0.png", save(tmp_path / "1.png", RGB), save(tmp_path / "2.png", GREY[:5])]
    assert picture_size(files) == (32, 24)
    with pytest.raises(RecordingError, match=r"0\.png"):
        picture_size(files[:1])


def test_numbers_order_files_and_two_of_one_number_are_refused():
    import re

    pattern = re.compile(r"([0-9]+)\.png")
    names = ["10.png", "9.png", "100.png", "thumbs.db", "9.png.part"]
    assert list(numbered([Path(n) for n in names], pattern)) == [9, 10, 100]
    with pytest.raises(RecordingError, match=r"009\.png.*same number as 9\.png"):
        numbered([Path("9.png"), Path("009.png")], pattern)


def test_only_plain_files_are_listed_and_a_missing_folder_has_none(tmp_path):
    (tmp_path / "b.txt").touch()
    (tmp_path / "a.txt").touch()
    (tmp_path / "folder.txt").mkdir()
    (tmp_path / "dangling.txt").symlink_to(tmp_path / "nowhere")
    assert [f.name for f in plain_files(tmp_path)] == ["a.txt", "b.txt"]
    assert plain_files(tmp_path / "absent") == []
