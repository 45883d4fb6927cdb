"""Pictures of robot messages decode to metres and RGB, or raise ValueError."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from scenekeeper.recording.color_codecs import decode_color, picture_size
from scenekeeper.recording.depth_codecs import decode_depth, is_depth, rvl, stored_png
from scenekeeper.recording.messages import Picture
from scenekeeper.recording.wire import DECODE_ERRORS

millimetre_images = hnp.arrays(
    np.uint16, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 65535)
)


def raw(pixels, encoding, pad=0, big_endian=False, width=None):
    """A raw picture whose rows are padded by ``pad`` bytes."""
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, pad)), constant_values=7)
    width = pixels.shape[1] if width is None else width
    height, step = rows.shape
    data = rows.tobytes()
    return Picture(0, "cam", "raw", encoding, data, width, height, step, big_endian)


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def rvl_encode(depth):
    """RVL as its paper gives it, one number at a time."""
    flat, nibbles, previous, at = depth.ravel().astype(int).tolist(), [], 0, 0

    def put(number):
        while True:
            number, low = number >> 3, number & 7
            nibbles.append(low | (8 if number else 0))
            if not number:
                return

    while at < len(flat):
        zeros = at
        while at < len(flat) and flat[at] == 0:
            at += 1
        put(at - zeros)
        known = at
        while at < len(flat) and flat[at]:
            at += 1
        put(at - known)
        for value in flat[known:at]:
            delta = value - previous
            put((delta << 1) ^ (delta >> 31))
            previous = value
    nibbles += [0] * (-len(nibbles) % 8)
    words = [
        int("".join(f"{n:x}" for n in nibbles[k : k + 8]), 16) for k in range(0, len(nibbles), 8)
    ]
    return struct.pack(f"<{len(words)}I", *words)


def metres(depth):
    return np.where(depth == 65535, 0, depth).astype(np.float32) / np.float32(1000)


@given(millimetre_images)
def test_rvl_decodes_what_its_reference_encodes(depth):
    assert np.array_equal(rvl(rvl_encode(depth), depth.shape[1], depth.shape[0]), depth)


@given(millimetre_images, st.integers(0, 5), st.booleans())
def test_16_bit_millimetres_become_metres(depth, pad, big_endian):
    stored = depth.astype(">u2" if big_endian else "<u2")
    for encoding in ("16UC1", "mono16"):
        picture = raw(stored, encoding, pad, big_endian, depth.shape[1])
        assert np.array_equal(decode_depth(picture), metres(depth))


def test_one_flipped_bit_in_a_depth_png_never_passes_as_other_depth():
    stored = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32)
    whole = png(stored)
    for place in range(8, len(whole), 5):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        try:
            found = decode_depth(Picture(0, "", "compressed", "png", bytes(damaged)))
        except ValueError:
            continue
        assert np.array_equal(found, metres(stored))


def test_unknown_float_depth_becomes_zero():
    depth = np.array([[1.5, np.nan, np.inf, -1.0]], np.float32)
    assert decode_depth(raw(depth, "32FC1")).tolist() == [[1.5, 0, 0, 0]]


@pytest.mark.parametrize("codec", ["png", "rvl"])
@given(depth=millimetre_images)
@settings(max_examples=30)
def test_compressed_depth_of_millimetres_is_lossless(codec, depth):
    height, width = depth.shape
    body = png(depth) if codec == "png" else struct.pack("<II", width, height) + rvl_encode(depth)
    data = struct.pack("<iff", 0, 0, 0) + body
    picture = Picture(0, "", "compressed", f"16UC1; compressedDepth {codec}", data)
    assert np.array_equal(decode_depth(picture), metres(depth))
    assert stored_png(picture) == (body if codec == "png" else None)


def test_compressed_depth_of_metres_is_inverse_depth():
    depth = np.array([[0.5, 1.0, 2.0, 5.0]])
    a, b = 100.0 * 101.0, 1.0 - 101.0
    stored = np.rint(a / depth + b).astype(np.uint16)
    data = struct.pack("<iff", 0, a, b) + png(np.hstack((stored, [[np.uint16(0)]])))
    picture = Picture(0, "", "compressed", "32FC1; compressedDepth png", data)
    found = decode_depth(picture)
    assert np.allclose(found[0, :4], depth, rtol=1e-3) and found[0, 4] == 0
    assert stored_png(picture) is None


@pytest.mark.parametrize(
    ("encoding", "topic", "depth"),
    [
        ("16UC1", "/cam/depth/image_raw", True),
        ("32FC1", "/depth", True),
        ("16UC1", "/cam/infra1/image_rect_raw", False),
        ("mono16", "/thermal/image", False),
        ("rgb8", "/depth_preview", False),
    ],
)
def test_depth_is_told_from_colour_and_infrared(encoding, topic, depth):
    assert is_depth(Picture(0, "", "raw", encoding, b"\0\0", 1, 1), topic) is depth


@pytest.mark.parametrize(
    ("encoding", "channels"),
    [
        ("rgb8", "rgb"),
        ("bgr8", "bgr"),
        ("8UC3", "bgr"),
        ("rgba8", "rgba"),
        ("bgra8", "bgra"),
    ],
)
def test_raw_colours_become_rgb(encoding, channels):
    rgba = np.random.default_rng(0).integers(0, 256, (3, 5, 4), np.uint8)
    stored = rgba[..., ["rgba".index(c) for c in channels]]
    assert np.array_equal(decode_color(raw(stored, encoding, 3)), rgba[..., :3])


def test_grey_is_repeated_and_16_bits_keep_the_high_ones():
    grey = np.array([[0, 100, 255]], np.uint8)
    assert decode_color(raw(grey, "mono8"))[0].tolist() == [[v] * 3 for v in (0, 100, 255)]
    wide = (grey.astype(np.uint16) << 8) + 9
    assert decode_color(raw(wide, "mono16", width=3))[0, 2].tolist() == [255] * 3


@pytest.mark.parametrize(
    ("encoding", "channels"), [("rgb16", "rgb"), ("bgr16", "bgr"), ("rgba16", "rgba")]
)
@pytest.mark.parametrize("big_endian", [False, True])
def test_raw_colours_of_16_bits_keep_the_high_ones(encoding, channels, big_endian):
    rgba = np.random.default_rng(0).integers(0, 1 << 16, (3, 5, 4), np.uint16)
    stored = rgba[..., ["rgba".index(c) for c in channels]].astype(">u2" if big_endian else "<u2")
    found = decode_color(raw(stored, encoding, 3, big_endian, 5))
    assert np.array_equal(found, rgba[..., :3] >> 8)


@pytest.mark.parametrize("form", ["webp", "tiff", "bmp", "png", "avif"])
def test_picture_files_that_cameras_write_become_rgb(form):
    if form == "avif" and ".avif" not in Image.registered_extensions():
        pytest.skip("this Pillow reads no AVIF")
    pixels = np.full((16, 24, 3), (200, 100, 30), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form)
    picture = Picture(0, "", "compressed", form, file.getvalue())
    assert picture_size(picture) == (24, 16)
    assert np.abs(decode_color(picture).astype(int) - pixels).max() <= 4


def test_formats_that_run_programs_are_not_opened():
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "eps")
    for read in (decode_color, picture_size):
        with pytest.raises(ValueError, match="damaged"):
            read(Picture(0, "", "compressed", "eps", file.getvalue()))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_a_mosaic_of_one_colour_gives_that_colour(pattern, bits):
    colour = dict(zip("rgb", (200, 120, 40), strict=True))
    tile = np.array([colour[c] << bits - 8 for c in pattern]).astype(f"u{bits // 8}")
    mosaic = np.tile(tile.reshape(2, 2), (3, 4))
    found = decode_color(raw(mosaic, f"bayer_{pattern}{bits}", width=8))
    assert (found == (200, 120, 40)).all()


@pytest.mark.parametrize("encoding", ["yuyv", "yuv422_yuy2", "uyvy", "yuv422", "nv12", "nv21"])
def test_yuv_red_is_red(encoding):
    y, u, v = 81, 90, 240  # BT.601
    if encoding.startswith("nv"):
        pair = [u, v] if encoding == "nv12" else [v, u]
        luma, chroma = np.full((4, 8), y, np.uint8), np.tile(np.uint8(pair), (2, 4))
        picture = Picture(0, "", "raw", encoding, np.vstack((luma, chroma)).tobytes(), 8, 4, 8)
    else:
        pair = [y, u, y, v] if encoding in ("yuyv", "yuv422_yuy2") else [u, y, v, y]
        picture = raw(np.tile(np.uint8(pair), (4, 4)), encoding, width=8)
    assert np.abs(decode_color(picture).astype(int) - (255, 0, 0)).max() < 8


@pytest.mark.parametrize("encoding", ["rgb8", "16UC1", "32FC1", "yuyv", "nv12", "bayer_rggb8", "?"])
@pytest.mark.parametrize("size", [(0, 0), (4, 4), (1 << 20, 1 << 20), (-1, 4)])
def test_sizes_that_do_not_fit_the_bytes_raise(encoding, size):
    picture = Picture(0, "", "raw", encoding, b"\1" * 15, *size)
    for decode in (decode_color, decode_depth):
        with pytest.raises(ValueError):
            decode(picture)


@given(st.binary(max_size=80), st.sampled_from(["16UC1; compressedDepth rvl", "png", "jpeg"]))
def test_garbage_raises_what_the_reader_catches(data, encoding):
    for head in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"):
        picture = Picture(0, "", "compressed", encoding, head + data)
        for decode in (decode_color, decode_depth, picture_size):
            try:
                decode(picture)
            except DECODE_ERRORS:
                continue
