"""One verb: convert for each engine, run what was converted, compare, and only then write the artifact."""

import copy
import importlib.metadata
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lissome.artifacts.archive import write_archive
from lissome.artifacts.card import Card, EngineEntry
from lissome.core.context import Context
from lissome.core.errors import BadRecipeError, SettingError, TraceError
from lissome.core.names import choose
from lissome.core.outcome import Outcome
from lissome.core.recipe_toml import settings_to_toml
from lissome.core.step import require_finite
from lissome.exporting.converters import CONVERTERS, WITHOUT_INTEGERS
from lissome.exporting.parity import Limits
from lissome.exporting.proving import convert_and_prove
from lissome.exporting.reference import Outputs, outputs_of
from lissome.exporting.samples import Samples, resized, take_samples
from lissome.exporting.stored_samples import FILE, pack_samples
from lissome.layers.fake_quantize import without_quantization
from lissome.profiling.profile import profile
from lissome.runtimes.artifact import Artifact
from lissome.runtimes.table import get_runtime


def export(
    source: Outcome | nn.Module,
    path: str | os.PathLike[str],
    *,
    runtimes: Sequence[str] = ("onnxruntime", "ncnn"),
    context: Context | None = None,
    measurements: Mapping[str, Any] | None = None,
    also: tuple[int, ...] | None = None,
    limits: Limits | None = None,
) -> Artifact:
    """Convert a network for engines, prove each, and write one file with all of them.

    Args:
        source: A step's outcome, or any module; left as it was.
        path: The `.lissome` file, written whole or not at all.
        runtimes: Engines to convert for.
        context: Samples, pre-processing and seed; an outcome brings its own.
        measurements: Figures for the card, by name with the unit.
        also: Another input shape (C, H, W) that the files must take: rows and columns are then free. The samples are
            resized to it, and compared in both sizes.
        limits: What an engine's outputs may differ by; None takes what float files keep, and for integers
            `lissome.exporting.parity.integer_limits`. Of a detector count the average precision on the engine, which
            decides. The limits are stored in the file.

    Raises:
        SettingError: No engine is named, there is nothing to take a sample from, or `also` is no other size.
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
        >>> artifact.session("onnxruntime").run(torch.zeros(5, 3, 8, 8).numpy())[0].shape
        (5, 2, 8, 8)
    """
    outcome = source if isinstance(source, Outcome) else None
    context = context or (outcome.context if outcome else None) or Context()
    check_runtimes(runtimes)
    model = copy.deepcopy(source.model if isinstance(source, Outcome) else source).eval()
    require_finite(model)
    samples = take_samples(context)
    larger = resized(samples, also) if also else None
    reference = outputs_of(model, samples)
    contents: dict[str, bytes] = {}
    engines: dict[str, EngineEntry] = {}
    expected: dict[str, Outputs] = {}
    with tempfile.TemporaryDirectory(prefix="lissome-") as temporary:
        shelf = Path(temporary, "shelf")
        for name in dict.fromkeys(runtimes):
            context.progress.say(f"exporting to {name}")
            made = convert_and_prove(name, model, samples, Path(temporary), larger, shelf=shelf, limits=limits)
            engines[name], expected[name] = made
            contents |= {file: Path(temporary, file).read_bytes() for file in engines[name].files}
    contents[FILE] = pack_samples([one.numpy() for one in samples.inputs], expected)
    facts = facts_of(model, samples, context, outcome)
    card = Card(
        name=Path(path).stem,
        output_shapes=tuple(one.shape[1:] for one in reference),
        engines=engines,
        measurements=measurements or {},
        samples_file=FILE,
        free_sizes=also is not None,
        **facts,
    )
    return Artifact(Path(path), write_archive(path, card, contents), contents)


def check_runtimes(runtimes: Sequence[str]) -> None:
    """Refuse, before any work, an engine that does not exist or is not installed.

    Raises:
        SettingError: None is named.
        UnknownNameError: One does not exist.
        EngineMissingError: One is not installed.
    """
    if not runtimes:
        raise SettingError("no runtime is named", where="export", fix=f"choose of {', '.join(CONVERTERS)}")
    for name in runtimes:
        choose(CONVERTERS, name, "runtime")
        get_runtime(name).require()


def check_integers(runtimes: Sequence[str]) -> None:
    """Refuse, before any work, an engine that does not run a quantized network in integers.

    Raises:
        SettingError: Names the engine, and why.

    Example:
        >>> check_integers(["onnxruntime", "ncnn"])
    """
    for name in runtimes:
        if name in WITHOUT_INTEGERS:
            able = ", ".join(one for one in CONVERTERS if one not in WITHOUT_INTEGERS)
            raise SettingError(f"no int8: {WITHOUT_INTEGERS[name]}", where=name, fix=f"choose of {able}")


def facts_of(model: nn.Module, samples: Samples, context: Context, outcome: Outcome | None) -> dict[str, Any]:
    """Return what a card says of a network whatever the engine, by the card's own names."""
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
