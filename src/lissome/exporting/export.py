"""One verb: convert for each engine, run what was converted, compare, and only then write the artifact."""

import copy
import importlib.metadata
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lissome.artifacts.archive import write_archive
from lissome.artifacts.card import Card, EngineEntry
from lissome.core.context import Context
from lissome.core.errors import BadRecipeError, SettingError, TraceError
from lissome.core.module_graph import run_once
from lissome.core.names import choose
from lissome.core.outcome import Outcome
from lissome.core.recipe_toml import settings_to_toml
from lissome.core.step import require_finite
from lissome.exporting.converters import CONVERTERS
from lissome.exporting.parity import FLOAT, INTEGER, Parity, compare
from lissome.exporting.samples import Samples, take_samples
from lissome.layers.fake_quantize import is_quantized, without_quantization
from lissome.profiling.profile import profile
from lissome.runtimes.artifact import Artifact
from lissome.runtimes.table import get_runtime
from lissome.runtimes.torch import flat_outputs


def export(
    source: Outcome | nn.Module,
    path: str | os.PathLike[str],
    *,
    runtimes: Sequence[str] = ("onnxruntime", "ncnn"),
    context: Context | None = None,
    measurements: Mapping[str, Any] | None = None,
) -> Artifact:
    """Convert a network for engines, prove each, and write one file with all of them.

    Args:
        source: A step's outcome, or any module; left as it was.
        path: The `.lissome` file, written whole or not at all.
        runtimes: Engines to convert for.
        context: Samples, pre-processing and seed; an outcome brings its own.
        measurements: Figures for the card, by name with the unit.

    Raises:
        SettingError: No engine is named, or there is nothing to take a sample from.
        UnknownNameError: An engine that does not exist.
        EngineMissingError: An engine that is not installed; says the pip line.
        WeightsError: A weight is NaN or infinite.
        ShapeError: The network does not take the samples.
        ConversionError: An engine's converter refuses; names the operator.
        ParityError: An engine computes something else. In every case nothing is written.

    Example:
        >>> folder = tempfile.mkdtemp()
        >>> context = Context(example=torch.rand(4, 3, 8, 8))
        >>> artifact = export(nn.Conv2d(3, 2, 1), folder + "/one.lissome", runtimes=["onnxruntime"], context=context)
        >>> artifact.session("onnxruntime").run(np.zeros((5, 3, 8, 8), np.float32))[0].shape
        (5, 2, 8, 8)
    """
    outcome = source if isinstance(source, Outcome) else None
    context = context or (outcome.context if outcome else None) or Context()
    _check_runtimes(runtimes)
    model = copy.deepcopy(source.model if isinstance(source, Outcome) else source).eval()
    require_finite(model)
    samples = take_samples(context)
    reference = _run(model, samples)
    contents: dict[str, bytes] = {}
    engines: dict[str, EngineEntry] = {}
    with tempfile.TemporaryDirectory(prefix="lissome-") as temporary:
        for name in dict.fromkeys(runtimes):
            context.progress.say(f"exporting to {name}")
            engines[name] = _convert(name, model, samples, Path(temporary))
            contents |= {file: Path(temporary, file).read_bytes() for file in engines[name].files}
    facts = _facts(model, samples, context, outcome)
    card = Card(
        name=Path(path).stem,
        output_shapes=tuple(one.shape[1:] for one in reference),
        engines=engines,
        measurements=measurements or {},
        **facts,
    )
    return Artifact(Path(path), write_archive(path, card, contents), contents)


def _check_runtimes(runtimes: Sequence[str]) -> None:
    if not runtimes:
        raise SettingError("no runtime is named", where="export", fix=f"choose of {', '.join(CONVERTERS)}")
    for name in runtimes:
        choose(CONVERTERS, name, "runtime")
        get_runtime(name).require()


def _convert(name: str, model: nn.Module, samples: Samples, folder: Path) -> EngineEntry:
    adapter = get_runtime(name)
    conversion = CONVERTERS[name](model, samples.single, folder)
    parity = check_files(name, conversion.reference, samples, folder)
    precision = adapter.load(folder).describe().precision
    return EngineEntry(
        files=adapter.files,
        precision=precision,
        version=adapter.version(),
        parity=parity.to_dict(),
        note=conversion.note,
    )


def check_files(name: str, reference: nn.Module, samples: Samples, folder: str | os.PathLike[str]) -> Parity:
    """Load an engine's files, run the samples through them and through the reference, and compare.

    Args:
        name: The engine.
        reference: The module that it must agree with.
        samples: What both run.
        folder: Where the files lie.

    Raises:
        EngineError: The engine refuses the files or the samples.
        ParityError: It computes something else.
    """
    session = get_runtime(name).load(folder)
    outputs = session.run(*(one.numpy() for one in samples.inputs))
    limits = INTEGER if is_quantized(reference) else FLOAT
    return compare(_run(reference, samples), outputs, engine=name, limits=limits).require()


def _run(model: nn.Module, samples: Samples) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    return [one.numpy() for one in flat_outputs(run_once(model, samples.inputs))]


def _facts(model: nn.Module, samples: Samples, context: Context, outcome: Outcome | None) -> dict[str, Any]:
    plain = without_quantization(model)
    task = context.task
    return {
        "params": sum(one.numel() for one in plain.parameters()),
        "macs": _macs(plain, samples.single),
        "input_shapes": tuple(tuple(one.shape[1:]) for one in samples.inputs),
        "samples": samples.origin,
        "classes": task.classes if task else None,
        "preprocessing": task.preprocessing if task else None,
        "recipe": dict(outcome.settings) if outcome else {},
        "recipe_toml": _recipe_toml(outcome) if outcome else None,
        "receipt": _without_seconds(outcome.to_dict()) if outcome else {},
        "versions": {"lissome": importlib.metadata.version("lissome"), "torch": str(torch.__version__)},
        "seed": context.seed,
    }


def _macs(model: nn.Module, inputs: tuple[Tensor, ...]) -> int | None:
    try:
        return profile(model, inputs).macs
    except TraceError:
        return None  # converters trace by running, so they take networks that cannot be counted


def _recipe_toml(outcome: Outcome) -> str | None:
    try:
        return settings_to_toml(outcome.settings)
    except BadRecipeError:
        return None  # a module as teacher, say; the card still has the settings as a table


def _without_seconds(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """Drop how long each step took: the same seed makes the same artifact, to the byte."""
    kept = {name: value for name, value in receipt.items() if name != "seconds"}
    return {**kept, "parts": [_without_seconds(part) for part in receipt["parts"]]}
