"""Single pictures: every mode, orientation, fit and depth, and every reason to refuse one."""

from __future__ import annotations

import io
import tracemalloc
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from picture_files import encoded, noise, png_of_declared_size, raw_png
from PIL import Image, ImageCms

from med_maml_pipeline.features.picture_pixels import picture_preprocessing, prepare_pixels
from med_maml_pipeline.sources.pictures_decode import UnusablePictureError, decode_picture, prepare_picture
from med_maml_pipeline.sources.spec_imaging import PictureOptions

COLOUR = PictureOptions(size=16)
GREY = PictureOptions(size=16, channels=1)


def png(image: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", **options)
    return stream.getvalue()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("options", [COLOUR, GREY])
def test_every_png_mode_gives_the_shape_asked_for(mode: str, options: PictureOptions) -> None:
    grey = Image.fromarray(noise(0, 40, 24))
    image = (
        Image.fromarray(noise(0, 40, 24).astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixels = prepare_picture(png(image), options)
    assert pixels.shape == (options.channels, 16, 16)
    assert pixels.dtype == np.uint8
    if mode not in ("1", "P"):  # dithered to two levels, or by a palette that need not hold all greys
        np.testing.assert_array_equal(pixels, prepare_picture(png(grey), options))


@pytest.mark.parametrize("bits", [1, 2, 4, 16])
def test_grey_of_any_depth_uses_the_whole_range(bits: int) -> None:
    levels = np.linspace(0, 2**bits - 1, 16).round().astype(">u2")
    rows = levels.tobytes() if bits == 16 else packed(levels, bits)
    decoded = decode_picture(raw_png(16, 1, bits, 0, b"\0" + rows), max_pixels=1000)
    assert decoded.dtype == (np.uint16 if bits == 16 else np.uint8)
    top = np.iinfo(decoded.dtype).max
    np.testing.assert_array_equal(decoded[0], np.rint(levels / (2**bits - 1) * top))


def packed(levels: np.ndarray, bits: int) -> bytes:
    """Pixels of less than a byte, the first one in the highest bits."""
    digits = np.unpackbits(levels.astype(np.uint8)[:, None], axis=1)[:, 8 - bits :]
    return np.packbits(digits.ravel()).tobytes()


def test_colour_of_16_bits_is_read_as_8() -> None:
    values = (np.arange(16 * 3) * 1300).astype(">u2").tobytes()
    decoded = decode_picture(raw_png(16, 1, 16, 2, b"\0" + values), max_pixels=1000)
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded[0].ravel(), np.arange(48) * 1300 // 256)


def test_transparency_is_dropped_not_blended() -> None:
    rgba = noise(1, 16, 16, 4)
    rgba[..., 3] = 0
    np.testing.assert_array_equal(prepare_picture(encoded(rgba), COLOUR), rgba[..., :3].transpose(2, 0, 1))
    image = Image.fromarray(noise(2, 16, 16)).convert("P")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixels = prepare_picture(png(image, transparency=bytes(range(256))), COLOUR)
    np.testing.assert_array_equal(pixels, np.asarray(image.convert("RGB")).transpose(2, 0, 1))


def test_cmyk_jpeg_becomes_rgb() -> None:
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # no cyan: red
    stream = io.BytesIO()
    cmyk.save(stream, "JPEG", quality=100)
    red, green, blue = prepare_picture(stream.getvalue(), COLOUR).mean(axis=(1, 2))
    assert red > 250
    assert max(green, blue) < 5


def test_colour_profiles_change_nothing() -> None:
    array = noise(3, 16, 16, 3)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    np.testing.assert_array_equal(
        prepare_picture(encoded(array, icc_profile=profile), COLOUR), prepare_picture(encoded(array), COLOUR)
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    upright = np.zeros((16, 32, 3), dtype=np.uint8)
    upright[:8, :16], upright[8:, 16:] = (255, 0, 0), (0, 0, 255)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = encoded(np.ascontiguousarray(stored), "PNG", exif=exif)
    np.testing.assert_array_equal(decode_picture(file, max_pixels=1000), upright)


def test_fits_cut_squeeze_or_pad() -> None:
    wide = np.zeros((16, 48), dtype=np.uint8)
    wide[:, 16:32], wide[0], wide[-1] = 200, 90, 90
    crop, stretch, pad = (
        prepare_pixels(wide, PictureOptions(size=16, channels=1, fit=fit))[0]
        for fit in ("crop", "stretch", "pad")
    )
    np.testing.assert_array_equal(crop, wide[:, 16:32])
    assert (
        stretch[8].tolist()
        == np.asarray(Image.fromarray(wide).resize((16, 16), Image.Resampling.BILINEAR))[8].tolist()
    )
    assert (pad[:5] == pad[0, 0]).all()
    assert pad[8, 8] == 200


def test_centre_keeps_the_middle_before_it_is_resized() -> None:
    framed = np.zeros((64, 64), dtype=np.uint8)
    framed[16:48, 16:48] = noise(14, 32, 32)
    half = prepare_pixels(framed, GREY.model_copy(update={"centre": 0.5}))
    np.testing.assert_array_equal(half, prepare_pixels(framed[16:48, 16:48], GREY))


def test_a_strip_is_padded_without_a_large_square() -> None:
    strip = np.full((1, 200_000), 50, dtype=np.uint8)
    tracemalloc.start()
    pixels = prepare_pixels(strip, PictureOptions(size=16, fit="pad"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (pixels == 50).all()
    assert peak < 10 * strip.size


def test_reduction_is_antialiased() -> None:
    board = np.indices((256, 256)).sum(axis=0) % 2 * 255
    pixels = prepare_pixels(board.astype(np.uint8), GREY)
    assert abs(pixels.astype(int) - 128).max() <= 2


def test_depth_range_full_keeps_and_picture_spreads() -> None:
    scan = np.linspace(1000, 3000, 256).astype(np.uint16).reshape(16, 16)  # 12 bits in 16
    full = prepare_pixels(scan, GREY)
    np.testing.assert_array_equal(full[0], np.rint(scan / 257))
    spread = prepare_pixels(scan, GREY.model_copy(update={"depth_range": "picture"}))[0]
    low, high = np.percentile(scan, [1, 99])
    np.testing.assert_array_equal(spread, np.rint(((scan - low) / (high - low) * 255).clip(0, 255)))
    constant = np.full((16, 16), 257 * 40, dtype=np.uint16)
    assert (prepare_pixels(constant, GREY.model_copy(update={"depth_range": "picture"})) == 40).all()


@pytest.mark.parametrize(("channels", "kept"), [(2, [0]), (3, [0, 1, 2]), (4, [0, 1, 2]), (7, [0, 1, 2])])
def test_surplus_channels_are_dropped(channels: int, kept: list[int]) -> None:
    array = noise(4, 16, 16, channels)
    expected = array[..., kept].transpose(2, 0, 1)
    np.testing.assert_array_equal(prepare_pixels(array, COLOUR), np.broadcast_to(expected, (3, 16, 16)))


def test_a_large_jpeg_decoded_smaller_hardly_differs() -> None:
    ramp = np.kron(noise(5, 8, 8, 3), np.ones((64, 64, 1))).astype(np.uint8)
    file = encoded(ramp, "JPEG", quality=95)
    assert decode_picture(file, max_pixels=10**6, enough=64).shape == (64, 64, 3)
    whole = prepare_pixels(decode_picture(file, max_pixels=10**6), COLOUR).astype(int)
    assert np.abs(prepare_picture(file, COLOUR) - whole).mean() < 1.5


def test_file_and_bytes_give_the_same(tmp_path: Path) -> None:
    file = encoded(noise(6, 20, 20, 3), "JPEG")
    (tmp_path / "a.jpg").write_bytes(file)
    expected = prepare_picture(file, COLOUR)
    np.testing.assert_array_equal(prepare_picture(tmp_path / "a.jpg", COLOUR), expected)
    np.testing.assert_array_equal(prepare_picture(str(tmp_path / "a.jpg"), COLOUR), expected)


JPEG = encoded(noise(7, 64, 64, 3), "JPEG")
BMP = encoded(noise(8, 16, 16, 3), "BMP")
ANIMATED = io.BytesIO()
Image.fromarray(noise(9, 16, 16)).save(
    ANIMATED, "PNG", save_all=True, append_images=[Image.fromarray(noise(10, 16, 16))]
)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (JPEG[: len(JPEG) // 2], "is truncated or damaged"),
        (encoded(noise(7, 64, 64))[:-100], "is truncated or damaged"),
        (b"\xff\xd8\xff", "is truncated or damaged"),
        (b"\x89PNG\r\n\x1a\n", "is truncated or damaged"),
        (b"plain text", "is neither JPEG nor PNG"),
        (BMP, "is neither JPEG nor PNG"),
        (b"", "is an empty file"),
        (ANIMATED.getvalue(), "is animated"),
        (png_of_declared_size(100_000, 100_000), "declares 100,000 × 100,000 pixels"),
    ],
)
def test_unusable_pictures_are_refused(content: bytes, problem: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a decompression-bomb warning would come before the sentence
        with pytest.raises(UnusablePictureError) as error:
            prepare_picture(content, COLOUR)
    assert error.value.problem == problem
    assert error.value.expected
    assert error.value.remedy


def test_a_declared_giant_allocates_nothing() -> None:
    giant = png_of_declared_size(100_000, 100_000)
    tracemalloc.start()
    with pytest.raises(UnusablePictureError):
        prepare_picture(giant, COLOUR)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_the_limit_may_exceed_that_of_pillow_without_a_warning() -> None:
    tall = encoded(np.zeros((90_000, 1_000), dtype=np.uint8), compress_level=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_picture(tall, max_pixels=90_000_000).shape == (90_000, 1_000)
        with pytest.raises(UnusablePictureError, match="declares"):
            decode_picture(tall, max_pixels=89_999_999)


def test_damage_anywhere_is_an_error_of_ours_or_none() -> None:
    rng = np.random.default_rng(11)
    for file in (JPEG, encoded(noise(12, 24, 24, 3)), encoded(noise(13, 24, 24), exif=Image.Exif())):
        for _ in range(150):
            damaged = bytearray(file[: rng.integers(1, len(file) + 1)])
            for place in rng.integers(0, len(damaged), 3):
                damaged[place] = rng.integers(0, 256)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with suppress(UnusablePictureError):
                    assert prepare_picture(bytes(damaged), COLOUR).shape == (3, 16, 16)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusablePictureError) as error:
        prepare_picture(tmp_path, COLOUR)
    assert error.value.problem == "cannot be read"


def test_preprocessing_holds_what_shapes_an_example_and_nothing_else() -> None:
    options = PictureOptions(features=("texture", "hog"), batch=3, workers=1, max_pixels=999)
    assert picture_preprocessing(options) == {
        "size": 32,
        "channels": 3,
        "centre": 1.0,
        "fit": "crop",
        "depth_range": "full",
        "views": 8,
        "features": ["hog", "texture"],
    }
