"""The file that measured layer times are kept in: begun, filled kind by kind, and never measured twice."""

import os
from collections.abc import Mapping, Set
from dataclasses import replace
from pathlib import Path

from torch import Tensor, nn

from lissome.core.errors import BadDataError
from lissome.core.progress import Progress
from lissome.profiling.latency_table import LatencyTable, LayerTimes, structure_key
from lissome.profiling.layer_kinds import LayerKind
from lissome.profiling.rows import Profile
from lissome.timing.layer_bench import LayerBench, Widths


def fill_table(
    path: str | os.PathLike[str],
    wanted: Mapping[LayerKind, Set[Widths]],
    bench: LayerBench,
    progress: Progress,
) -> LayerTimes:
    """Measure what a table lacks, and write it after each kind.

    Args:
        path: The .json file; read first if it is there.
        wanted: Widths of each kind.
        bench: Engine and precision.
        progress: Who watches.

    Raises:
        BadDataError: The file holds times of another engine, precision or machine.
    """
    times = _begun(path, bench)
    for number, (kind, cells) in enumerate(wanted.items(), start=1):
        known = times.kinds.get(kind, {})
        missing = sorted(cells - set(known))
        if missing:
            progress.say(f"{number} of {len(wanted)}: {kind}, {len(missing)} widths")
            times = replace(times, kinds={**times.kinds, kind: {**known, **bench.layers(kind, missing)}})
            times.write(path)
    return times


def add_network(
    path: str | os.PathLike[str], times: LayerTimes, model: nn.Module, cost: Profile, example: Tensor, bench: LayerBench
) -> LatencyTable:
    """Measure the whole network beside its layers, where the table does not know it, and return the table."""
    key = structure_key(model, cost)
    if key not in times.networks:
        times = replace(times, networks={**times.networks, key: bench.network(model, tuple(example.shape[1:]))})
        times.write(path)
    return LatencyTable(path=os.fspath(path))


def _begun(path: str | os.PathLike[str], bench: LayerBench) -> LayerTimes:
    """Return what the file holds, or an empty table."""
    facts = bench.device.facts([bench.runtime])
    fresh = LayerTimes(
        engine=bench.runtime,
        engine_version=facts.versions[bench.runtime],
        precision=bench.precision,
        machine=facts.machine,
        networks={},
        kinds={},
    )
    if not Path(path).exists():
        return fresh
    found = LatencyTable(path=os.fspath(path)).times()
    for name in ("engine", "engine_version", "precision", "machine"):
        if getattr(found, name) != getattr(fresh, name):
            raise BadDataError(
                f"holds times of another {name.replace('_', ' ')}",
                where=os.fspath(path),
                fix="choose another file, or remove this one",
            )
    return found
