"""What happens to a picture before the network sees it. It travels with every artifact."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from lissome.core.errors import BadDataError, SettingError, ShapeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """Size, scale, mean and deviation of the input; channels are RGB, the layout is NCHW.

    ``y = (x / scale - mean) / std`` per channel.

    Args:
        channels: Channels of the input, ≥ 1.
        height: Rows in pixels.
        width: Columns in pixels.
        scale: What a pixel is divided by first, > 0. Default 255.
        mean: One number a channel, in scaled units. Default 0.
        std: One number a channel, in scaled units, > 0. Default 1.

    Raises:
        SettingError: A number is out of its range, or mean and std do not have one entry a channel.

    Example:
        >>> halves = Preprocessing(channels=1, height=1, width=2, mean=(0.5,), std=(0.5,))
        >>> halves.apply(np.array([[[[0], [255]]]], dtype=np.uint8)).ravel().tolist()
        [-1.0, 1.0]
    """

    channels: int
    height: int
    width: int
    scale: float = 255.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", tuple(self.mean) or (0.0,) * self.channels)
        object.__setattr__(self, "std", tuple(self.std) or (1.0,) * self.channels)
        if min(self.channels, self.height, self.width) < 1:
            raise SettingError(f"input {self.shape} has an empty side", where="Preprocessing")
        if len(self.mean) != self.channels or len(self.std) != self.channels:
            raise SettingError(
                f"{len(self.mean)} means and {len(self.std)} deviations for {self.channels} channels",
                where="Preprocessing",
                fix="give one of each per channel",
            )
        if not all(math.isfinite(one) for one in (self.scale, *self.mean, *self.std)):
            raise SettingError("scale, mean and std must be finite", where="Preprocessing")
        if min(self.scale, *self.std) <= 0:
            raise SettingError("scale and std must be above 0", where="Preprocessing")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        return (self.channels, self.height, self.width)

    def apply(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Turn raw pictures into the network's input.

        Shape:
            images: (N, height, width, channels) uint8, RGB. Returns (N, channels, height, width) float32.

        Raises:
            BadDataError: The pixels are no bytes.
            ShapeError: The pictures have another size.
        """
        if images.dtype != np.uint8:
            raise BadDataError(
                f"pixels are {images.dtype}", where="Preprocessing", fix="give raw uint8 pixels, 0 to 255"
            )
        expected = (self.height, self.width, self.channels)
        if images.ndim != 4 or images.shape[1:] != expected:
            raise ShapeError(
                f"images are {'x'.join(map(str, images.shape))}",
                where="Preprocessing",
                fix=f"give N x {' x '.join(map(str, expected))} (rows, columns, channels)",
            )
        planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).astype(np.float32)
        mean = np.asarray(self.mean, np.float32).reshape(1, -1, 1, 1)
        std = np.asarray(self.std, np.float32).reshape(1, -1, 1, 1)
        result: npt.NDArray[np.float32] = (planes / np.float32(self.scale) - mean) / std
        return result

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain numbers and lists, for JSON."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std), "order": "RGB", "layout": "NCHW"}

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        return cls(
            channels=table["channels"],
            height=table["height"],
            width=table["width"],
            scale=table["scale"],
            mean=tuple(table["mean"]),
            std=tuple(table["std"]),
        )
