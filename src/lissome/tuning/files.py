"""The files of every engine and every variant of the graph, each proved, or the reason why there are none."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
from torch import nn

from lissome.artifacts.card import EngineEntry
from lissome.compression.quantization.quantize import Quantize
from lissome.core.context import Context
from lissome.core.errors import LissomeError
from lissome.exporting.converters import Examples, onnx_file
from lissome.exporting.optimize import optimize
from lissome.exporting.proving import check_files, convert_and_prove
from lissome.exporting.reference import Outputs, Reference
from lissome.exporting.samples import Samples
from lissome.graph.engine_facts import ENGINE_FACTS
from lissome.layers.fake_quantize import is_quantized
from lissome.runtimes.protocol import ReadsOnnx, Session
from lissome.runtimes.table import get_runtime
from lissome.timing.device import EngineFiles
from lissome.tuning.candidate import Candidate

QUANTIZED = "quantized"
"""The graph of a plainly quantized copy; of what a recipe quantizes, it is the graph as exported."""
_TAKEN = 4
"""Samples that go to a device."""


@dataclass(frozen=True, slots=True)
class Files:
    """What was made for one engine of one variant of the network.

    Args:
        folder: Where the files lie.
        entry: What the card would say of them.
        expected: What their source gives for the samples.
    """

    folder: Path
    entry: EngineEntry
    expected: Outputs


def make_files(
    model: nn.Module,
    samples: Samples,
    context: Context,
    engines: Sequence[str],
    precisions: Sequence[str] | None,
    folder: Path,
    *,
    with_optimized: bool = True,
) -> tuple[dict[tuple[str, str], Files], list[Candidate]]:
    """Write and prove the files of every engine and variant.

    Args:
        model: The network, in evaluation mode.
        samples: What is compared.
        context: The task to calibrate integers on, where there is one.
        engines: Engines to write for.
        precisions: Those that are wanted; None is all.
        folder: Where to write.
        with_optimized: Whether the graph is rewritten, too, for engines that read ONNX.

    Returns:
        The files by engine and variant, and what could not be made, with the reason.
    """
    variants = {"as exported": model}
    declined: list[Candidate] = []
    integers = precisions is None or "int8" in precisions
    if integers and context.task is not None and not is_quantized(model):
        try:
            variants[QUANTIZED] = Quantize().apply(model, context).model
        except LissomeError as error:
            declined.append(Candidate(engine="all", precision="int8", variant=QUANTIZED, reason=str(error)))
    made: dict[tuple[str, str], Files] = {}
    for variant, network in variants.items():
        shelf = folder / f"shelf-{variant.replace(' ', '-')}"
        for engine in engines:
            if variant == QUANTIZED and "int8" not in get_runtime(engine).precisions:
                continue  # it would get the float network once more
            context.progress.say(f"exporting to {engine}, {variant}")
            place = folder / f"{engine}-{variant.replace(' ', '-')}"
            place.mkdir()
            try:
                proved = convert_and_prove(engine, network, samples, place, shelf=shelf)
                made[engine, variant] = Files(place, *proved)
            except LissomeError as error:
                declined.append(Candidate(engine=engine, variant=variant, reason=str(error)))
                continue
            if with_optimized and variant == "as exported" and isinstance(get_runtime(engine), ReadsOnnx):
                optimized = _optimized(engine, network, samples, made[engine, variant], shelf)
                if isinstance(optimized, Files):
                    made[engine, "optimized"] = optimized
                elif optimized:
                    declined.append(Candidate(engine=engine, variant="optimized", reason=optimized))
    return made, declined


def _optimized(engine: str, model: nn.Module, samples: Samples, plain: Files, shelf: Path) -> Files | str:
    """Return the files of the optimized graph; or why there are none, or "" if no pass found anything to do."""
    runtime = get_runtime(engine)
    if not isinstance(runtime, ReadsOnnx):
        return ""
    place = plain.folder.parent / f"{engine}-optimized"
    place.mkdir()
    try:
        graph = onnx.load(onnx_file(model, Examples(samples.single, shelf=shelf), place))
        outcome = optimize(graph, engine=engine if engine in ENGINE_FACTS else None)
        if outcome.parity is None:
            return ""
        runtime.convert(outcome.save(place / "optimized.onnx"), place)
        options = dict(plain.entry.options)
        reference = Reference(model, samples)
        parity = check_files(engine, reference, place, options=options).require()
    except LissomeError as error:
        return str(error)
    notes = dict.fromkeys((plain.entry.note, "the graph was optimized", parity.note))
    note = "; ".join(filter(None, notes))
    return Files(place, replace(plain.entry, parity=parity.to_dict(), note=note), reference.behind(parity))


def engine_files(one: Candidate, folder: Path, samples: Samples) -> EngineFiles:
    """Return a candidate's files as a device takes them, with the first few samples."""
    inputs = tuple(each[:_TAKEN].numpy() for each in samples.inputs)
    return EngineFiles(engine=one.engine, folder=folder, inputs=inputs, precision=one.precision, options=one.options)


def open_candidate(one: Candidate, folder: Path, threads: int) -> Session:
    """Load a candidate's files."""
    return get_runtime(one.engine).load(folder, threads=threads, precision=one.precision, options=one.options)
