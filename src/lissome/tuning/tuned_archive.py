"""What was chosen by measuring, as the contents and the card of an artifact."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from lissome.artifacts.archive import write_archive
from lissome.artifacts.card import Card, EngineEntry, Tuning
from lissome.core.context import Context
from lissome.core.outcome import Outcome
from lissome.exporting.export import facts_of
from lissome.exporting.parity import Parity, compare, limits_for, seen_limits
from lissome.exporting.reference import Outputs, outputs_of
from lissome.exporting.samples import Samples
from lissome.exporting.stored_samples import FILE, pack_samples
from lissome.runtimes.artifact import Artifact
from lissome.runtimes.protocol import Session
from lissome.timing.device import DeviceFacts, ThisMachine
from lissome.tuning.candidate import Candidate
from lissome.tuning.files import Files, open_candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The network that an artifact is made of.

    Args:
        model: In evaluation mode.
        samples: What it is compared on.
        context: Task and seed.
        outcome: The receipt it came with, or None.
    """

    model: nn.Module
    samples: Samples
    context: Context
    outcome: Outcome | None


def write_tuned(
    path: str | os.PathLike[str],
    subject: Subject,
    kept: Sequence[Candidate],
    made: Mapping[tuple[str, str], Files],
    tuning: Tuning,
) -> Artifact:
    """Write the artifact of ways that were chosen, whole or not at all.

    Args:
        path: The `.lissome` file.
        subject: The network.
        kept: Ways of different engines, the chosen one among them.
        made: The files by engine and variant.
        tuning: What the card says of the choice.
    """
    samples = subject.samples
    contents, entries, expected = collect(kept, made, samples, tuning.threads)
    contents[FILE] = pack_samples([one.numpy() for one in samples.inputs], expected)
    card = Card(
        name=Path(path).stem,
        output_shapes=tuple(one.shape[1:] for one in outputs_of(subject.model, samples)),
        engines=entries,
        samples_file=FILE,
        tuning=tuning,
        **facts_of(subject.model, samples, subject.context, subject.outcome),
    )
    return Artifact(Path(path), write_archive(path, card, contents), contents)


def tuning_of(
    chosen: Candidate, candidates: Sequence[Candidate], threads: int, facts: DeviceFacts | None = None
) -> Tuning:
    """Return what the card says of a choice.

    Args:
        chosen: What was chosen.
        candidates: All that were looked at.
        threads: Threads of the engine.
        facts: What it was timed on; None is this machine.
    """
    facts = facts or ThisMachine().facts([chosen.engine])
    return Tuning(
        engine=chosen.engine,
        precision=chosen.precision,
        threads=threads,
        options=dict(chosen.options),
        machine=facts.machine,
        fingerprint=facts.fingerprints[chosen.engine],
        candidates=tuple(one.to_dict() for one in candidates),
    )


def collect(
    kept: Sequence[Candidate], made: Mapping[tuple[str, str], Files], samples: Samples, threads: int
) -> tuple[dict[str, bytes], dict[str, EngineEntry], dict[str, Outputs]]:
    """Return the contents of an artifact, the card's entries, and what is expected of each engine.

    Args:
        kept: Ways of different engines.
        made: The files by engine and variant.
        samples: What the card's comparison is made on.
        threads: Threads of the engines.
    """
    contents: dict[str, bytes] = {}
    entries: dict[str, EngineEntry] = {}
    expected: dict[str, Outputs] = {}
    for one in kept:
        files = made[one.engine, one.variant]
        contents |= {name: (files.folder / name).read_bytes() for name in files.entry.files}
        session = open_candidate(one, files.folder, threads)
        entries[one.engine] = replace(
            files.entry,
            precision=one.precision,
            options=dict(one.options),
            parity=_parity(session, files, samples).to_dict(),
        )
        expected[one.engine] = files.expected
    return contents, entries, expected


def _parity(session: Session, files: Files, samples: Samples) -> Parity:
    """Return the comparison of a way that was judged already; where accuracy decided, its limits are what was seen."""
    outputs = session.run(*(one.numpy() for one in samples.inputs))
    described = session.describe()
    limits = limits_for(described.precision)
    parity = compare(files.expected, outputs, engine=described.engine, limits=limits)
    return parity if parity.failure is None else replace(parity, limits=seen_limits(parity))
