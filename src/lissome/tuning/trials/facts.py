"""What a search must know of a network before it changes it, found once and kept."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from torch import fx, nn

from lissome.compression.factorization.factorize_convs import FactorizeConvs
from lissome.compression.factorization.factorize_linear import FactorizeLinear
from lissome.compression.folding.fold_branches import FoldBranches
from lissome.compression.pruning.sensitivity_scan import SensitivityScan
from lissome.core.context import Context
from lissome.core.errors import SettingError, TraceError
from lissome.core.files import write_text
from lissome.core.module_graph import trace
from lissome.core.settings import fingerprint, key_of, settings_of
from lissome.exporting.samples import Samples
from lissome.profiling.latency_table import LatencyTable
from lissome.timing.device import ThisMachine
from lissome.timing.layer_bench import LayerBench
from lissome.timing.measure_factors import measure_factors
from lissome.timing.measure_layers import measure_layers
from lissome.tracing.blocks import Block, find_blocks
from lissome.training.taps import matched_layers

Factorizing = FactorizeConvs | FactorizeLinear

_WORTH_SPLITTING = 0.1
"""Share of the parameters that layers must hold for their factorization to be a choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What moves must know of the network and the engine.

    Args:
        blocks: How many blocks can go.
        large_blocks: Names of the blocks that hold the most parameters, or at least half as many.
        branches: How many parallel branches can be folded.
        maps: Whether it has feature maps, which a recovery can compare.
        splits: Kinds of layers that hold enough of the parameters to be worth splitting.
        sensitivity: What `SensitivityScan` found, or None where no move goes by it.
        objective: What is saved: multiply-adds, or measured time.
    """

    blocks: int = 0
    large_blocks: tuple[str, ...] = ()
    branches: int = 0
    maps: bool = False
    splits: tuple[Literal["convolutions", "fully connected"], ...] = ()
    sensitivity: Mapping[str, Any] | None = None
    objective: Literal["macs"] | LatencyTable = "macs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """What the moves of a space ask.

    Args:
        scan: The scan that one goes by, or None.
        factors: Factorizations that one could make.
        objective: What is saved; "measured" times layers first.
        trains: Whether any of them changes what the network computes.
    """

    scan: SensitivityScan | None
    factors: Sequence[Factorizing]
    objective: Literal["measured", "macs"] | LatencyTable
    trains: bool


def find_facts(
    model: nn.Module, samples: Samples, context: Context, inquiry: Inquiry, bench: LayerBench, folder: Path
) -> Facts:
    """Look at a network; what takes long is kept in the folder, and read from there the next time.

    Args:
        model: The original, in evaluation mode.
        samples: Example inputs.
        context: Task, seed, memory and who watches.
        inquiry: What is asked.
        bench: Times layers.
        folder: Where tables are kept.

    Raises:
        EngineError: The engine refuses a layer.
    """
    facts = Facts(branches=_branches(model, context))
    if not inquiry.trains:
        return facts
    graph = trace(model, samples.single)
    graph.graph.eliminate_dead_code()
    blocks, _ = find_blocks(graph, samples.single)
    splits = tuple(_splits(model))
    factors = [one for one in inquiry.factors if kind_of(one) in splits]
    return replace(
        facts,
        blocks=len(blocks),
        large_blocks=_large_blocks(graph, blocks),
        maps=_has_maps(model, samples),
        splits=splits,
        sensitivity=_sensitivity(model, context, inquiry.scan, folder) if inquiry.scan else None,
        objective=_objective(model, samples, context, replace(inquiry, factors=factors), bench, folder),
    )


def kind_of(step: Factorizing) -> Literal["convolutions", "fully connected"]:
    """Return which layers a factorization splits."""
    return "convolutions" if isinstance(step, FactorizeConvs) else "fully connected"


def sensitivity_in(folder: Path) -> Mapping[str, Any] | None:
    """Return the scan that is kept in a search's folder, or None."""
    kept = sorted(folder.glob("sensitivity-*.json"))
    return dict(json.loads(kept[0].read_text(encoding="utf-8"))) if kept else None


def _branches(model: nn.Module, context: Context) -> int:
    try:
        return int(FoldBranches().apply(model, context).measurements["branches_folded"])
    except TraceError:
        return 0  # what cannot be traced is left as it is


def _large_blocks(graph: fx.GraphModule, blocks: Sequence[Block]) -> tuple[str, ...]:
    held = {
        one.name: sum(weight.numel() for path in one.layers for weight in graph.get_submodule(path).parameters())
        for one in blocks
    }
    return tuple(name for name, count in held.items() if count >= max(held.values()) / 2)


def _has_maps(model: nn.Module, samples: Samples) -> bool:
    try:
        return bool(matched_layers(model, model, samples.single[0]))
    except SettingError:
        return False  # nothing in it is an image


def _splits(model: nn.Module) -> list[Literal["convolutions", "fully connected"]]:
    whole = sum(one.numel() for one in model.parameters()) or 1

    def share(kind: type[nn.Conv2d | nn.Linear]) -> float:
        layers = (one for one in model.modules() if isinstance(one, kind) and getattr(one, "groups", 1) == 1)
        return sum(one.weight.numel() for one in layers) / whole

    found: list[Literal["convolutions", "fully connected"]] = []
    if share(nn.Conv2d) >= _WORTH_SPLITTING:
        found.append("convolutions")
    if share(nn.Linear) >= _WORTH_SPLITTING:
        found.append("fully connected")
    return found


def _sensitivity(model: nn.Module, context: Context, scan: SensitivityScan, folder: Path) -> Mapping[str, Any]:
    path = folder / f"sensitivity-{key_of(fingerprint(model), settings_of(scan), context.seed)}.json"
    if not path.exists():
        context.progress.say("looking at what each group of channels bears")
        table = scan.apply(model, context).measurements["sensitivity"]
        write_text(path, json.dumps(table, indent=1) + "\n")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _objective(
    model: nn.Module, samples: Samples, context: Context, inquiry: Inquiry, bench: LayerBench, folder: Path
) -> Literal["macs"] | LatencyTable:
    if inquiry.objective != "measured":
        return inquiry.objective
    device = "" if bench.device == ThisMachine() else f"-{key_of(settings_of(bench.device))}"
    way = bench.runtime if bench.precision == "float32" else f"{bench.runtime}-{bench.precision}"
    path, example = folder / f"layers-{way}{device}.json", samples.single[0]
    context.progress.say(f"timing layers by their widths on {bench.runtime}, {bench.precision}")
    table = measure_layers(model, example, path, bench=bench, progress=context.progress)
    if not inquiry.factors:
        return table
    return measure_factors(model, example, path, inquiry.factors, bench=bench, progress=context.progress)
