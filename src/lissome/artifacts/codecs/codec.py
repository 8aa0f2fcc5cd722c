"""What every codec has in common."""

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from lissome.core.errors import BadArtifactError

Words = npt.NDArray[np.unsignedinteger]
"""Numbers of any kind as the unsigned integers of their bytes: equal bits are equal words, -0.0 and NaN included."""


class Codec(ABC):
    """Turns words into bytes and back, exactly."""

    @abstractmethod
    def encode(self, words: Words) -> bytes | None:
        """Return the words as bytes; None where it would not pay.

        Shape:
            words: (n,) of 1, 2 or 4 bytes each.
        """

    @abstractmethod
    def decode(self, data: bytes, count: int, dtype: np.dtype[np.unsignedinteger]) -> Words:
        """Return what was encoded.

        Args:
            data: What `encode` returned.
            count: How many words it was.
            dtype: Their type.

        Raises:
            BadArtifactError: The bytes cannot have come from so many words.
        """


def damaged(reason: str) -> BadArtifactError:
    """Return the error for bytes that no encoder wrote."""
    return BadArtifactError(f"a packed file is damaged: {reason}", fix="export it again or fetch a whole copy")
