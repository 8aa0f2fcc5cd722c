from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lissome.core.errors import BadDataError
from lissome.core.preprocessing import Preprocessing
from lissome.data.image_files import FileSplit, fit, fit_all, require_image


def fitted(image: Image.Image, channels: int = 3, height: int = 4, width: int = 4) -> np.ndarray:
    return fit(image, channels=channels, height=height, width=width)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_mode_becomes_the_wanted_channels(mode: str, channels: int) -> None:
    assert fitted(Image.new(mode, (9, 5)), channels).shape == (4, 4, channels)


def test_pixels_of_the_right_size_are_untouched() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    assert np.array_equal(fitted(Image.fromarray(pixels), height=4, width=6), pixels)


def test_the_centre_is_kept_and_the_aspect_too() -> None:
    image = Image.new("RGB", (30, 10), "red")
    image.paste("blue", (10, 0, 20, 10))
    assert np.array_equal(fitted(image, height=10, width=10)[:, 1:-1], np.full((10, 8, 3), (0, 0, 255)))


def test_a_picture_lying_on_its_side_is_turned_upright(tmp_path: Path) -> None:
    image = Image.new("RGB", (8, 4), "black")
    image.paste("white", (0, 0, 4, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    image.save(tmp_path / "side.png", exif=exif)
    with Image.open(tmp_path / "side.png") as opened:
        upright = fitted(opened, height=8, width=4)
    assert upright[:4].min() == 255 and upright[4:].max() == 0


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    image = Image.fromarray(np.full((4, 4), 0x8000, np.uint16))
    assert set(fitted(image, 1).ravel()) == {128}


def test_transparent_parts_become_white() -> None:
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert fitted(clear).min() == 255
    palette = Image.new("P", (4, 4), 0)
    palette.info["transparency"] = bytes([0])
    assert fitted(palette).min() == 255


def test_arrays_are_brought_to_another_size_and_channel_count() -> None:
    grey = np.full((2, 8, 8, 1), 9, np.uint8)
    assert np.array_equal(fit_all(grey, channels=3, height=4, width=4), np.full((2, 4, 4, 3), 9))
    assert fit_all(grey, channels=1, height=8, width=8) is grey


def test_files_are_read_when_needed_and_then_kept(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        Image.new("RGB", (10, 10), (number, 0, 0)).save(path)
    preprocessing = Preprocessing(channels=3, height=4, width=4)
    split = FileSplit(paths, np.arange(3), preprocessing)
    assert split.raw()[:, 0, 0, 0].tolist() == [0, 1, 2]
    paths[0].unlink()
    assert split.raw(1).max() == 0
    images, _ = next(split.batches(3))
    assert np.array_equal(images.numpy(), preprocessing.apply(split.raw()))


@pytest.mark.parametrize("content", [b"", b"no image", "truncated"])
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes | str) -> None:
    path = tmp_path / "broken.png"
    if isinstance(content, bytes):
        path.write_bytes(content)
        with pytest.raises(BadDataError, match=r"broken\.png: is no readable image"):
            require_image(path)
    else:
        Image.effect_noise((64, 64), 50).save(path)
        path.write_bytes(path.read_bytes()[:200])
        require_image(path)  # the header is whole
    split = FileSplit([path], np.zeros(1, np.int64), Preprocessing(channels=3, height=4, width=4))
    with pytest.raises(BadDataError, match=r"broken\.png: is no readable image"):
        split.raw()
