"""Convert for one engine, run what was converted, compare: nothing is handed over before it agrees."""

import os
from collections.abc import Mapping
from pathlib import Path

from torch import nn

from lissome.artifacts.card import EngineEntry
from lissome.exporting.converters import CONVERTERS, Examples
from lissome.exporting.divergence import first_divergence
from lissome.exporting.parity import FLOAT, INTEGER, Limits, Parity, compare, integer_limits
from lissome.exporting.reference import Outputs, Reference, outputs_of
from lissome.exporting.samples import Samples
from lissome.layers.fake_quantize import is_quantized, without_quantization
from lissome.runtimes.protocol import Option
from lissome.runtimes.table import get_runtime


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
        The card's entry, and the outputs of its source that the engine agrees with.

    Raises:
        ConversionError: The converter refuses.
        EngineError: The engine refuses the files or the samples.
        ParityError: It computes something else; names the first layer that does.
    """
    adapter = get_runtime(name)
    conversion = CONVERTERS[name](model, Examples(samples.single, larger.single if larger else None, shelf), folder)
    reference = Reference(conversion.reference, samples)
    wanted = limits or (_of_integers(model, reference) if is_quantized(conversion.reference) else FLOAT)
    parity = check_files(name, reference, folder, limits=wanted)
    options, notes = {}, [conversion.note]
    if parity.failure and adapter.exact:
        rough, options = parity, dict(adapter.exact)
        parity = check_files(name, reference, folder, options=options, limits=wanted)
        notes.append(f"its defaults compute too roughly: {rough.failure}")
    if parity.failure:
        place = first_divergence(name, conversion.reference, samples, wanted, larger)
        parity.require(f"first after {place}" if place else "")
    notes.append(parity.note)
    if larger:
        other = Reference(conversion.reference, larger)
        check_files(name, other, folder, options=options, limits=wanted).require("in the other size")
    precision = adapter.load(folder, options=options).describe().precision
    slow = adapter.float_layers(folder) if precision == "int8" else ()
    if slow:
        notes.append(f"has no integer kernel for {', '.join(slow)}, which it runs in float")
    entry = EngineEntry(
        files=adapter.files,
        precision=precision,
        version=adapter.version(),
        parity=parity.to_dict(),
        note="; ".join(filter(None, notes)),
        options=options,
    )
    return entry, reference.behind(parity)


def _of_integers(model: nn.Module, reference: Reference) -> Limits:
    """Ask the network itself how much its rounding changes."""
    before = outputs_of(without_quantization(model), reference.samples)
    return integer_limits(compare(before, reference.outputs, engine="rounding", limits=INTEGER))


def check_files(
    name: str,
    reference: Reference,
    folder: str | os.PathLike[str],
    *,
    options: Mapping[str, Option] | None = None,
    limits: Limits | None = None,
    precision: str | None = None,
) -> Parity:
    """Load an engine's files, run the samples through them and through the reference, and compare.

    Args:
        name: The engine.
        reference: What it must agree with, and the samples.
        folder: Where the files lie.
        options: Options of the engine.
        limits: What is demanded; None takes those of float files, or of integer ones where the reference rounds.
        precision: What the engine must compute in; None takes what the files say.

    Raises:
        EngineError: The engine refuses the files or the samples.
        ParityError: It gives other shapes, or numbers that are not finite.
    """
    session = get_runtime(name).load(folder, options=options, precision=precision)
    outputs = session.run(*(one.numpy() for one in reference.samples.inputs))
    return reference.compare(outputs, engine=name, limits=limits)
