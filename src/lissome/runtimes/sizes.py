"""What each tensor of an artifact takes: as the engine gets it, zipped, packed, and by its entropy."""

import zlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lissome.artifacts.codecs import CODECS
from lissome.artifacts.packing import shortest
from lissome.artifacts.tensors import Stretch, stretches_of
from lissome.core.text_table import render
from lissome.runtimes.artifact import Artifact


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSize:
    """What one tensor, or all that lies between the tensors of a file, takes.

    Args:
        file: The engine's file.
        tensor: Its name; "" for what lies between, and for a file whose tensors are not known.
        weights: Numbers of 4 bytes in it.
        raw_bytes: As the engine gets it.
        zipped_bytes: Deflated, as any zip tool would.
        packed_bytes: In the artifact.
        codec: What packed it.
        entropy_bits: A weight's entropy, where weights are drawn each by itself: the bound of codes that look at one
            weight at a time, codebook left out.
    """

    file: str
    tensor: str
    weights: int
    raw_bytes: int
    zipped_bytes: int
    packed_bytes: int
    codec: str
    entropy_bits: float

    @property
    def bits(self) -> float:
        """Bits a weight in the artifact."""
        return 8 * self.packed_bytes / max(1, self.weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What an artifact takes on disk, tensor by tensor.

    Args:
        rows: One a tensor, and one a file for the rest.
        artifact_bytes: The whole file, card and all.
    """

    rows: tuple[TensorSize, ...]
    artifact_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"artifact_bytes": self.artifact_bytes, "rows": [asdict(one) | {"bits": one.bits} for one in self.rows]}

    def __str__(self) -> str:
        total = [sum(getattr(one, name) for one in self.rows) for name in ("raw_bytes", "zipped_bytes", "packed_bytes")]
        cells = [
            (
                one.file,
                one.tensor or "(the rest)",
                one.codec,
                *(f"{part:,}" for part in (one.raw_bytes, one.zipped_bytes, one.packed_bytes)),
                f"{one.bits:.2f}" if one.tensor else "",
                f"{one.bits - one.entropy_bits:+.2f}" if one.tensor else "",
            )
            for one in self.rows
        ]
        columns = ("file", "tensor", "codec", "raw", "zipped", "packed", "bits a weight", "above entropy")
        title = f"{self.artifact_bytes:,} bytes whole; files raw {total[0]:,}, zipped {total[1]:,}, packed {total[2]:,}"
        return render(columns, cells, title=title)


def sizes(artifact: Artifact) -> Sizes:
    """Return what each tensor of an artifact takes on disk.

    Args:
        artifact: As `load` or `export` returns it.

    Example:
        >>> import tempfile, torch, lissome as ls
        >>> context = ls.Context(example=torch.rand(1, 64))
        >>> shared = ls.ClusterWeights(bits=2).apply(torch.nn.Linear(64, 64), context)
        >>> artifact = ls.export(shared, tempfile.mkdtemp() + "/a.lissome", runtimes=["onnxruntime"], context=context)
        >>> row = next(row for row in ls.sizes(artifact).rows if row.weights == 4096 and row.tensor)
        >>> row.raw_bytes, row.packed_bytes < 1100, row.entropy_bits < 2
        (16384, True, True)
    """
    rows: list[TensorSize] = []
    for name, data in sorted(artifact.contents.items()):
        found = stretches_of(name, data) if artifact.card.files[name].packed_bytes is not None else None
        parts = found or (Stretch(0, len(data)),)
        rows += [_row(name, one, data[one.start : one.stop], packed=found is not None) for one in parts if one.tensor]
        rest = [one for one in parts if one.tensor is None]
        between = b"".join(data[one.start : one.stop] for one in rest)
        taken = artifact.card.files[name].stored_bytes - sum(one.packed_bytes for one in rows if one.file == name)
        rows.append(
            TensorSize(
                file=name,
                tensor="",
                weights=0,
                raw_bytes=len(between),
                zipped_bytes=len(zlib.compress(between, 9)),
                packed_bytes=taken,
                codec="",
                entropy_bits=0.0,
            )
        )
    return Sizes(rows=tuple(rows), artifact_bytes=artifact.path.stat().st_size)


def _row(file: str, stretch: Stretch, data: bytes, *, packed: bool) -> TensorSize:
    piece = shortest(data)
    words = np.frombuffer(data, "<u4", len(data) // 4)
    counts = np.unique(words, return_counts=True)[1] / max(1, len(words))
    return TensorSize(
        file=file,
        tensor=stretch.tensor or "",
        weights=len(words),
        raw_bytes=len(data),
        zipped_bytes=len(zlib.compress(data, 9)),
        packed_bytes=piece.size_bytes if packed else len(data),
        codec=type(CODECS[piece.codec]).__name__,
        entropy_bits=float(-(counts * np.log2(counts)).sum()) if len(words) else 0.0,
    )
