"""Let the weights of a layer, or of each output channel, share a few values."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from lissome.compression.clustering.kmeans import Clusters, Initial, cluster
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.outcome import Note, Outcome
from lissome.core.patterns import check_patterns, matches
from lissome.core.recipe import Recipe, apply_as, tuned_measurements
from lissome.core.step import Change, Step
from lissome.training.kept_sharing import MOST_VALUES
from lissome.training.train import Train

_INITIALS = ("optimal", "density", "linear", "kmeans++")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterWeights(Step):
    """Replace each weight by the nearest of a few values, found by k-means. The shapes stay.

    The artifact stores a codebook and an index a weight, or its Huffman code. Zeros of a pruned layer stay zero and
    take none of the clusters. `Train` keeps what is shared shared (`keep_shared`).

    Args:
        clusters: Values a layer or a channel, [2, 256]; None where `bits` says it.
        bits: The same as 2 ** bits values, [1, 8].
        per: "layer": one codebook a layer; "channel": one for each output channel, which is more exact and longer.
        init: How k-means begins: "optimal" by dynamic programming, "density", "linear" or "kmeans++".
        skip: Patterns of layer paths that stay as they are.
        fine_tune: A training of the shared values afterwards: each moves by the gradients of all weights that share it.

    Measurements:
        params, shared (weights that share values), values (distinct ones, all codebooks together), distortion (sum of
        squared changes), and layers: for each its values and its relative root mean square change.

    Raises:
        SettingError: A value is out of its range, a pattern of `skip` matches no layer, or nothing can be shared.

    Source:
        Han, Mao and Dally 2016, Deep Compression, arXiv:1510.00149, section 3.

    Example:
        >>> outcome = ClusterWeights(bits=2).apply(nn.Linear(16, 8), Context())
        >>> len(outcome.model.weight.unique()), outcome.notes[0].reason
        (4, '128 weights share 4 values')
    """

    clusters: int | None = None
    bits: int | None = None
    per: Literal["layer", "channel"] = "layer"
    init: Initial = "optimal"
    skip: tuple[str, ...] = ()
    fine_tune: Train | None = None

    def __post_init__(self) -> None:
        if (self.clusters is None) == (self.bits is None):
            raise SettingError("clusters or bits says how many values", where="ClusterWeights", fix="give one of them")
        if not 2 <= self.count <= MOST_VALUES:
            given = f"bits is {self.bits}" if self.bits is not None else f"clusters is {self.clusters}"
            raise SettingError(given, where="ClusterWeights", fix="choose 2 to 256 clusters, or 1 to 8 bits")
        if self.per not in ("layer", "channel"):
            raise SettingError(f"per is {self.per!r}", where="ClusterWeights", fix='choose "layer" or "channel"')
        if self.init not in _INITIALS:
            raise SettingError(
                f"init is {self.init!r}", where="ClusterWeights", fix=f"choose of {', '.join(_INITIALS)}"
            )
        if self.fine_tune is not None and not self.fine_tune.keep_shared:
            raise SettingError(
                "fine_tune would end the sharing", where="ClusterWeights", fix="set keep_shared=True in its Train"
            )

    @property
    def count(self) -> int:
        """Values a codebook."""
        return self.clusters if self.clusters is not None else 1 << (self.bits or 0) if (self.bits or 0) < 9 else 0

    def requires(self) -> tuple[Need, ...]:
        """Return what the fine-tuning needs."""
        return Recipe(self.fine_tune).requires() if self.fine_tune else ()

    def apply(self, model: nn.Module, context: Context) -> Outcome:
        """Share, and fine-tune as a recipe of two steps, each kept in the context's memory.

        Raises:
            SettingError: As above, or the context lacks something.
        """
        if self.fine_tune is None:
            return Step.apply(self, model, context)
        return apply_as(self, (replace(self, fine_tune=None), self.fine_tune), model, context, tuned_measurements)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Replace the weights of the copy."""
        generator = np.random.default_rng(context.generator("ClusterWeights").initial_seed())
        notes: list[Note] = []
        layers: dict[str, Any] = {}
        shared, distortion = 0, 0.0
        for path, weight in self._weights(model, notes):
            before = weight.detach().clone()
            values = sum(self._share(part, generator) for part in self._parts(weight))
            changed = float((weight.detach() - before).double().square().sum())
            spread = float(before.double().square().sum())
            layers[path] = {"values": values, "relative_change": (changed / spread) ** 0.5 if spread else 0.0}
            shared, distortion = shared + weight.numel(), distortion + changed
            notes.append(Note(path, f"{weight.numel():,} weights share {values:,} values"))
            context.progress.say(f"{path}: {values} values")
        if not layers:
            raise SettingError("no layer's weights can be shared", where="ClusterWeights", fix="choose fewer clusters")
        figures = {
            "params": sum(one.numel() for one in model.parameters()),
            "shared": shared,
            "values": sum(one["values"] for one in layers.values()),
            "distortion": distortion,
            "layers": layers,
        }
        return Change(model, tuple(notes), figures)

    def _weights(self, model: nn.Module, notes: list[Note]) -> Iterator[tuple[str, Tensor]]:
        found = {path: one for path, one in model.named_modules() if isinstance(one, _ConvNd | nn.Linear)}
        check_patterns(self.skip, found, "ClusterWeights.skip")
        seen: set[int] = set()
        for path, layer in found.items():
            each = layer.weight.numel() // (layer.weight.shape[0] if self.per == "channel" else 1)
            if matches(path, self.skip):
                reason = "skipped"
            elif id(layer.weight) in seen:
                reason = "its weights are those of another layer"
            elif each < 2 * self.count:
                reason = f"{each} weights are too few for {self.count} values"
            else:
                seen.add(id(layer.weight))
                yield path, layer.weight
                continue
            notes.append(Note(path, f"stays as it is: {reason}", applied=False))

    def _parts(self, weight: Tensor) -> list[Tensor]:
        return list(weight.detach()) if self.per == "channel" else [weight.detach()]

    def _share(self, weight: Tensor, generator: np.random.Generator) -> int:
        """Replace the weights of one codebook, all but zeros; return how many values they have."""
        kept = weight != 0
        values = weight[kept].double().numpy()
        if not len(values):
            return 1
        found: Clusters = cluster(values, self.count, self.init, generator)
        weight[kept] = torch.from_numpy(found.centroids[found.labels]).to(weight.dtype)
        return len(np.unique(weight.numpy()))
