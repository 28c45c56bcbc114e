"""Files are decoded into upright pictures of a suitable size, or cause errors with a reason."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from boxes import Box
from vision.detection.decode import SHARP_SIDE, decode
from vision.detection.errors import ImageError


def photograph(width: int = 400, height: int = 300, mode: str = "RGB") -> Image.Image:
    """Return a picture that is red on the left, green on the right and darker towards the bottom."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = 255
    pixels[:, width // 2 :, 1] = 255
    pixels[height // 2 :] //= 2
    return Image.fromarray(pixels).convert(mode)


def saved(image: Image.Image, format_: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format_, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("mode", "format_"),
    [
        ("RGB", "JPEG"),
        ("CMYK", "JPEG"),
        ("RGB", "PNG"),
        ("P", "PNG"),
        ("RGBA", "PNG"),
        ("P", "GIF"),
        ("RGB", "WEBP"),
        ("RGB", "TIFF"),
        ("CMYK", "TIFF"),
        ("RGB", "BMP"),
        ("RGB", "AVIF"),
    ],
)
def test_all_formats_are_decoded_to_the_same_picture(mode, format_):
    picture = decode(saved(photograph(mode=mode), format_))
    height, width = picture.rgb.shape[:2]
    red, green = picture.rgb[height // 4, width // 4], picture.rgb[height // 4, width * 3 // 4]
    assert red[0] > 180
    assert red[1] < 90
    assert green[1] > 120
    assert green[0] < 90


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16", "I", "F"])
def test_greyscale_pictures_are_decoded(mode):
    grey = photograph(mode="L")
    image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 200) if mode == "I;16" else grey.convert(mode)
    picture = decode(saved(image, "TIFF" if mode in ("I", "F") else "PNG"))
    assert picture.rgb.shape == (300, 400, 3)
    assert picture.rgb[:100].mean() > picture.rgb[-100:].mean() + 20


@pytest.mark.parametrize(
    ("mode", "format_"), [("I;16", "PNG"), ("I", "TIFF"), ("F", "TIFF"), ("1", "PNG"), ("P", "PNG")]
)
def test_large_pictures_of_every_bit_depth_are_scaled_down(mode, format_):
    values = np.linspace(0, 255, 3000 * 1000).reshape(1000, 3000)
    image = (
        Image.fromarray((values * 256).astype(np.uint16))
        if mode == "I;16"
        else Image.fromarray(values.astype(np.uint8)).convert(mode)
    )
    picture = decode(saved(image, format_))
    assert picture.rgb.shape == (640, 1920, 3)
    assert picture.rgb[600:].mean() > picture.rgb[:40].mean() + 150


def test_picture_with_twelve_of_sixteen_bits_is_not_black():
    dark = Image.fromarray(np.linspace(0, 4095, 400 * 300).reshape(300, 400).astype(np.uint16))
    assert decode(saved(dark, "PNG")).rgb.max() == 255


def test_transparent_areas_become_white():
    image = photograph(mode="RGBA")
    image.putalpha(0)
    assert decode(saved(image, "PNG")).rgb.min() == 255


def test_first_frame_of_an_animation_is_decoded():
    frames = [photograph(), Image.new("RGB", (400, 300), "blue")]
    picture = decode(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert picture.rgb[75, 100, 0] > 180


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation):
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = photograph().transpose(turns[orientation]) if orientation in turns else photograph()
    picture = decode(saved(stored, "JPEG", exif=exif))
    assert picture.rgb.shape == (300, 400, 3)
    assert picture.rgb[10, 10, 0] > 180
    assert picture.rgb[10, 390, 1] > 180
    assert picture.rgb[290, 10, 0] < 150


def test_unreadable_metadata_is_ignored():
    data = saved(photograph(), "JPEG", exif=b"Exif\0\0I\x01nonsense")
    assert decode(data).rgb.shape == (300, 400, 3)


@pytest.mark.parametrize(
    ("size", "searched", "sharp"),
    [
        ((960, 640), (960, 640), 960),
        ((640, 960), (640, 960), 960),
        ((1024, 768), (1024, 768), 1024),
        ((400, 300), (960, 720), 400),
        ((60, 40), (150, 100), 60),
        ((3000, 2000), (960, 640), SHARP_SIDE),
    ],
)
def test_picture_is_scaled_to_the_requested_size(size, searched, sharp):
    picture = decode(saved(photograph(*size), "JPEG"))
    assert (picture.width, picture.height) == searched
    assert max(picture.rgb.shape) == sharp
    assert picture.native_side == max(size)


def test_part_of_a_picture_is_enlarged():
    part = decode(saved(photograph(400, 400), "PNG")).part(Box(0.5, 0.0, 0.25, 0.5))
    assert part.rgb.shape == (200, 100, 3)
    assert part.grey.shape == (400, 200)
    assert part.rgb[50, 50, 1] == 255


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"not a picture at all", "no picture"),
        (b"<!DOCTYPE html><title>429</title>", "web page"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (saved(photograph(), "JPEG")[:2000], "damaged"),
        (saved(photograph(), "PNG")[:400], "damaged"),
        (saved(Image.new("1", (20_000, 6_000)), "PNG"), "120 megapixels"),
    ],
)
def test_undecodable_file_raises_an_error_with_a_reason(data, reason):
    with pytest.raises(ImageError, match=reason) as error:
        decode(data)
    assert error.value.lasting
    assert error.value.reason.endswith(".")


def test_file_with_too_many_bytes_is_refused():
    with pytest.raises(ImageError, match="51 MB"):
        decode(b"\xff\xd8" + bytes(51_000_000))


def test_decoding_does_not_start_a_thread_per_core():
    """libavif starts a thread per core by default; threads are counted in /proc while a separate process decodes."""
    program = """
import os, sys, threading
from vision.detection.decode import decode
data, most, done = sys.stdin.buffer.read(), [], threading.Event()
def look():
    while not done.wait(0.001):
        most.append(len(os.listdir("/proc/self/task")))
watch = threading.Thread(target=look)
watch.start()
before = len(os.listdir("/proc/self/task"))
decode(data)
done.set()
watch.join()
print(max(most) - before, len(most))
"""
    large = Image.effect_noise((3000, 3000), 60).convert("RGB")
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=saved(large, "AVIF", speed=10, quality=50),
        capture_output=True,
        check=True,
    )
    more, looks = map(int, done.stdout.split())
    assert looks > 10
    assert more == 0


def test_heic_is_decoded_in_one_thread():
    pillow_heif.register_heif_opener()
    decode(saved(photograph(), "HEIF"))
    assert pillow_heif.options.DECODE_THREADS == 1
