"""Convert for one engine, run what was converted, compare: nothing is handed over before it agrees."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import nn

from lissome.artifacts.card import EngineEntry
from lissome.core.module_graph import run_once
from lissome.exporting.converters import CONVERTERS, Examples
from lissome.exporting.divergence import first_divergence
from lissome.exporting.parity import FLOAT, INTEGER, Limits, Parity, compare, integer_limits
from lissome.exporting.samples import Samples
from lissome.layers.fake_quantize import is_quantized, without_quantization
from lissome.runtimes.protocol import Option
from lissome.runtimes.table import get_runtime
from lissome.runtimes.torch import flat_outputs

Outputs = list[npt.NDArray[np.float32]]


def convert_and_prove(
    name: str,
    model: nn.Module,
    samples: Samples,
    folder: Path,
    larger: Samples | None = None,
    *,
    shelf: Path | None = None,
    limits: Limits | None = None,
) -> tuple[EngineEntry, Outputs]:
    """Write the files of one engine and compare them with the network.

    Args:
        name: The engine.
        model: The network, in evaluation mode.
        samples: What both run.
        folder: Where to write.
        larger: Samples of another size that the files must take, too.
        shelf: A folder that keeps this network's ONNX file from one engine to the next; None for none.
        limits: What is demanded; None takes those of float files, or `integer_limits` where the reference rounds.

    Returns:
        The card's entry, and the outputs that the engine's source gives.

    Raises:
        ConversionError: The converter refuses.
        EngineError: The engine refuses the files or the samples.
        ParityError: It computes something else; names the first layer that does.
    """
    adapter = get_runtime(name)
    conversion = CONVERTERS[name](model, Examples(samples.single, larger.single if larger else None, shelf), folder)
    expected = outputs_of(conversion.reference, samples)
    wanted = limits or (_of_integers(model, expected, samples) if is_quantized(conversion.reference) else FLOAT)
    parity = check_files(name, expected, samples, folder, limits=wanted)
    options, note = {}, conversion.note
    if parity.failure and adapter.exact:
        rough, options = parity, dict(adapter.exact)
        parity = check_files(name, expected, samples, folder, options=options, limits=wanted)
        note = "; ".join(filter(None, (note, f"its defaults compute too roughly: {rough.failure}")))
    if parity.failure:
        place = first_divergence(name, conversion.reference, samples, wanted, larger)
        parity.require(f"first after {place}" if place else "")
    if larger:
        check_files(name, conversion.reference, larger, folder, options=options, limits=wanted).require(
            "in the other size"
        )
    precision = adapter.load(folder, options=options).describe().precision
    slow = adapter.float_layers(folder) if precision == "int8" else ()
    if slow:
        note = "; ".join(filter(None, (note, f"has no integer kernel for {', '.join(slow)}, which it runs in float")))
    entry = EngineEntry(
        files=adapter.files,
        precision=precision,
        version=adapter.version(),
        parity=parity.to_dict(),
        note=note,
        options=options,
    )
    return entry, expected


def _of_integers(model: nn.Module, expected: Outputs, samples: Samples) -> Limits:
    """Ask the network itself how much its rounding changes."""
    before = outputs_of(without_quantization(model), samples)
    return integer_limits(compare(before, expected, engine="rounding", limits=INTEGER))


def check_files(
    name: str,
    reference: nn.Module | Outputs,
    samples: Samples,
    folder: str | os.PathLike[str],
    *,
    options: Mapping[str, Option] | None = None,
    limits: Limits | None = None,
    precision: str | None = None,
) -> Parity:
    """Load an engine's files, run the samples through them and through the reference, and compare.

    Args:
        name: The engine.
        reference: The module that it must agree with, or what that gives for the samples.
        samples: What both run.
        folder: Where the files lie.
        options: Options of the engine.
        limits: What is demanded; None takes those of float files, or of integer ones where the reference rounds.
        precision: What the engine must compute in; None takes what the files say.

    Raises:
        EngineError: The engine refuses the files or the samples.
        ParityError: It gives other shapes, or numbers that are not finite.
    """
    session = get_runtime(name).load(folder, options=options, precision=precision)
    outputs = session.run(*(one.numpy() for one in samples.inputs))
    if not isinstance(reference, nn.Module):
        return compare(reference, outputs, engine=name, limits=limits or FLOAT)
    wanted = limits or (INTEGER if is_quantized(reference) else FLOAT)
    return compare(outputs_of(reference, samples), outputs, engine=name, limits=wanted)


def outputs_of(model: nn.Module, samples: Samples) -> Outputs:
    """Return what a module gives for the samples.

    Raises:
        ShapeError: It does not take them.
    """
    return [one.numpy() for one in flat_outputs(run_once(model, samples.inputs))]
