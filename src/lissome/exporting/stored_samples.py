"""A few samples and the outputs expected of them, kept in the artifact: any machine can repeat the comparison."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import safetensors.numpy

from lissome.artifacts.card import Card
from lissome.core.errors import BadArtifactError

FILE = "samples.safetensors"
_MOST_SAMPLES = 4
_MOST_BYTES = 1 << 20
"""Of the inputs: two samples are kept in any case, up to four where they are small."""

Arrays = Sequence[npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class StoredSamples:
    """What was kept.

    Args:
        inputs: One array (N, …) an input.
        outputs: One array (N, …) an output, by engine.
    """

    inputs: tuple[npt.NDArray[np.float32], ...]
    outputs: Mapping[str, tuple[npt.NDArray[np.float32], ...]]


def pack_samples(inputs: Arrays, outputs: Mapping[str, Arrays]) -> bytes:
    """Return a safetensors file with the first few samples.

    Args:
        inputs: One array (N, …) an input.
        outputs: What the source of each engine's files gives, by engine; equal arrays are written once.
    """
    each = sum(one[0].nbytes for one in inputs)
    count = max(2, min(_MOST_SAMPLES, _MOST_BYTES // each))
    tensors = {f"input{place}": np.ascontiguousarray(one[:count]) for place, one in enumerate(inputs, start=1)}
    same: dict[str, str] = {}  # engine → the engine that has its arrays
    for engine, arrays in outputs.items():
        same[engine] = next((one for one in same.values() if _equal(outputs[one], arrays)), engine)
        if same[engine] == engine:
            for place, one in enumerate(arrays, start=1):
                tensors[f"{engine}/output{place}"] = np.ascontiguousarray(one[:count])
    return safetensors.numpy.save(tensors, metadata={"same": json.dumps(same)})


def _equal(one: Arrays, other: Arrays) -> bool:
    return len(one) == len(other) and all(np.array_equal(*pair) for pair in zip(one, other, strict=True))


def stored_samples(card: Card, contents: Mapping[str, bytes]) -> StoredSamples:
    """Read what `pack_samples` kept in an artifact.

    Raises:
        BadArtifactError: The artifact is of a time before samples were kept, or the file in it is damaged.
    """
    if card.samples_file is None:
        raise BadArtifactError("holds no samples to run", where=card.name, fix="export it again with this lissome")
    data = contents[card.samples_file]
    try:
        tensors = safetensors.numpy.load(data)
        same = _metadata(data)
        inputs = tuple(tensors[f"input{place}"] for place in range(1, len(card.input_shapes) + 1))
        outputs = {
            engine: tuple(
                tensors[f"{same.get(engine, engine)}/output{place}"] for place in range(1, len(card.output_shapes) + 1)
            )
            for engine in card.engines
        }
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise BadArtifactError(
            f"its samples cannot be read ({error})", where=card.name, fix="export it again"
        ) from error
    return StoredSamples(inputs, outputs)


def _metadata(data: bytes) -> dict[str, str]:
    """Return which engines share their outputs, from the text that safetensors keeps beside the tensors."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    found: dict[str, str] = json.loads(header["__metadata__"]["same"])
    return found
