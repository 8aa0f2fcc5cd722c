"""Store weights in a few bits and compute in float."""

from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from lissome.compression.quantization.formats import Format, Uniform
from lissome.core.context import Context
from lissome.core.errors import SettingError
from lissome.core.outcome import Note
from lissome.core.patterns import check_patterns, matches
from lissome.core.step import Change, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeWeights(Step):
    """Weights of convolutions and linear layers take few bits in the file and are floats again when it is read.

    Nothing is asked of the engine: it gets the restored floats. The artifact finds their even spacing and packs them to
    the bits of the format. Computing stays in float, so this makes files small and nothing faster; see `Quantize`.

    Args:
        format: How a weight is written. Default 8 bits, a scale a channel.
        bits: Short for `format=Uniform(bits=…)`; None takes the format as it is.
        skip: Patterns of layer paths that stay as they are.

    Measurements:
        weight_bits, weight_kib (of the layers changed, factors included), weight_kib_before, and snr_db, the signal to
        noise ratio over all weights changed.

    Raises:
        SettingError: Both `bits` and a format are given, bits has no format, or a pattern names no layer.

    Example:
        >>> outcome = QuantizeWeights(bits=4).apply(nn.Linear(64, 8), Context())
        >>> outcome.measurements["weight_kib"] < outcome.measurements["weight_kib_before"] / 6
        True
    """

    format: Format = field(default_factory=Uniform)
    bits: int | None = None
    skip: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.bits is not None:
            if self.format != Uniform():
                raise SettingError(
                    "bits and format are both given", where="QuantizeWeights", fix="give the format its bits"
                )
            Uniform(bits=self.bits)

    @property
    def chosen(self) -> Format:
        """The format that is used."""
        return self.format if self.bits is None else Uniform(bits=self.bits)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Round in the copy; its class stays."""
        del context
        layers = {path: one for path, one in model.named_modules() if isinstance(one, _ConvNd | nn.Linear)}
        check_patterns(self.skip, layers, "QuantizeWeights.skip")
        notes: list[Note] = []
        bits = values = 0
        signal = noise = 0.0
        done: set[int] = set()
        with torch.no_grad():
            for path, layer in layers.items():
                if matches(path, self.skip):
                    notes.append(Note(path, "skipped", applied=False))
                elif id(layer.weight) in done:
                    notes.append(Note(path, "its weights are those of another layer", applied=False))
                else:
                    done.add(id(layer.weight))
                    codes = self.chosen.quantize(layer.weight.detach())
                    restored = self.chosen.dequantize(codes).to(layer.weight.dtype)
                    signal += float(layer.weight.double().square().sum())
                    noise += float((layer.weight - restored).double().square().sum())
                    layer.weight.copy_(restored)
                    bits += self.chosen.storage_bits(codes)
                    values += codes.integers.numel()
                    notes.append(Note(path, self.chosen.describe()))
        if not values:
            notes.append(Note("", "no layer has weights to round", applied=False))
        ratio = signal / max(noise, signal * 1e-30, 1e-300)
        figures = {
            "weight_bits": bits / max(values, 1),
            "weight_kib": bits / 8192,
            "weight_kib_before": values / 256,
            "snr_db": 10 * float(torch.tensor(max(ratio, 1e-30), dtype=torch.float64).log10()),
        }
        return Change(model, tuple(notes), figures)
