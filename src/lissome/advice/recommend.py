"""Which network for which device: the catalog by time there, published accuracy and size."""

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lissome.advice.tip import Basis
from lissome.core.errors import LissomeError, SettingError
from lissome.core.names import choose
from lissome.core.outcome import Note
from lissome.core.progress import Progress, Silent
from lissome.core.text_table import render
from lissome.devices.device import BYTES_OF, Device
from lissome.models.catalog import CATALOG, Entry
from lissome.models.create import create
from lissome.profiling.find_device import device_of
from lissome.profiling.profile import profile
from lissome.timing.loaded import load_proved
from lissome.timing.measure import measure
from lissome.timing.pinned import pinned
from lissome.timing.source_graph import input_noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What a network must keep to; None is no limit.

    Args:
        max_ms: Greatest time of one image.
        max_kib: Greatest size of the weights, in the precision that the device computes in.
        min_top1: Least published top-1 accuracy, percent.

    Raises:
        SettingError: A limit is not above 0.
    """

    max_ms: float | None = None
    max_kib: float | None = None
    min_top1: float | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise SettingError(f"{name} is {value}", where="recommend", fix="choose a value above 0")

    def to_dict(self) -> dict[str, float | None]:
        """Return the limits by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One network of the catalog on the device.

    Args:
        name: Its name in `CATALOG`.
        family: Its family.
        top1: Published top-1 accuracy, percent.
        latency_ms: Time of one image.
        size_kib: Size of the weights in the device's precision.
        params: Parameters.
        macs: Multiply-adds.
        score: Geometric mean of how near it comes to the best in time, size and error; 1 is best in all.
        is_best: Whether no other network is at least as good in time, size and accuracy, and better in one.
        beyond: The limits that it does not keep.
    """

    name: str
    family: str
    top1: float
    latency_ms: float
    size_kib: float
    params: int
    macs: int
    score: float = 0.0
    is_best: bool = False
    beyond: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the candidate as plain JSON values."""
        return {name: getattr(self, name) for name in self.__slots__} | {"beyond": list(self.beyond)}

    def dominates(self, other: "Candidate") -> bool:
        """Tell whether this one is at least as good in everything, and better in something."""
        mine = (self.latency_ms, self.size_kib, -self.top1)
        theirs = (other.latency_ms, other.size_kib, -other.top1)
        return mine != theirs and all(one <= two for one, two in zip(mine, theirs, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The catalog, ranked for a device.

    Args:
        device: The device's name.
        dataset: What the accuracy is about.
        basis: Whether times are predicted by the roofline (the least that the device needs) or measured.
        engine: The engine that they were measured on; "" for predicted ones.
        limits: What was asked for.
        candidates: First those within the limits, best first; then the others.
        notes: Networks that could not be ranked, with the reason.
    """

    device: str
    dataset: str
    basis: Basis
    engine: str
    limits: Requirement
    candidates: tuple[Candidate, ...]
    notes: tuple[Note, ...] = ()

    @property
    def within(self) -> tuple[Candidate, ...]:
        """The networks that keep all limits, best first."""
        return tuple(one for one in self.candidates if not one.beyond)

    @property
    def front(self) -> tuple[Candidate, ...]:
        """Those of them that no other beats in time, size and accuracy at once, quickest first."""
        return tuple(sorted((one for one in self.within if one.is_best), key=lambda one: one.latency_ms))

    @property
    def families(self) -> tuple[str, ...]:
        """Families in the order of their best network."""
        return tuple(dict.fromkeys(one.family for one in self.within))

    def to_dict(self) -> dict[str, Any]:
        """Return the ranking as plain JSON values."""
        names = ("device", "dataset", "basis", "engine")
        return {name: getattr(self, name) for name in names} | {
            "limits": self.limits.to_dict(),
            "candidates": [one.to_dict() for one in self.candidates],
            "front": [one.name for one in self.front],
            "families": list(self.families),
            "notes": [one.to_dict() for one in self.notes],
        }

    def __str__(self) -> str:
        how = f"measured on {self.engine}" if self.basis == "measured" else "predicted, at the least"
        title = (
            f"{self.dataset} networks for {self.device}: {len(self.within)} of {len(self.candidates)} within the limits"
        )
        columns = ("network", "family", f"ms ({how})", "top-1 %", "KiB", "MACs (M)", "score", "front")
        rows = [
            (
                *(one.name, one.family, f"{one.latency_ms:.3g}", f"{one.top1:.2f}", f"{one.size_kib:,.0f}"),
                *(f"{one.macs / 1e6:,.0f}", f"{one.score:.3f}", "*" if one.is_best else ""),
            )
            for one in self.within
        ]
        front = ", ".join(f"{one.name} ({one.latency_ms:.3g} ms, {one.top1:.1f} %)" for one in self.front)
        lines = [render(columns, rows, title=title, left=2)]
        lines += (
            [f"front: {front}"] if front else ["no network keeps the limits: give more time or size, or less accuracy"]
        )
        lines += [f"families: {', '.join(self.families)}"] if front else []
        return "\n".join(lines)


def recommend(
    device: str | Device,
    requirement: Requirement | None = None,
    *,
    dataset: str = "imagenet",
    measure_on: str | None = None,
    models: Sequence[str] | None = None,
    seconds: float = 1.0,
    progress: Progress | None = None,
) -> Recommendation:
    """Rank the catalog for a device by time, published accuracy and size.

    The score is the geometric mean of best time / time, best size / size and least error / error. What has a limit
    counts only as kept: with a limit on time, a quicker network is no better.

    Args:
        device: The device or its name.
        requirement: What a network must keep to; None is nothing.
        dataset: Whose networks: what the published accuracy is about.
        measure_on: The engine to take times on, on the machine at hand (then the device must be "this"); None predicts
            them. A network whose predicted time is beyond the limit already is not measured: the roofline is the least.
        models: Names of the catalog; None takes all.
        seconds: Time for each network that is measured.
        progress: Who watches.

    Raises:
        UnknownNameError: No such device, data set, engine or model.
        SettingError: Something is to be measured on another device than the one at hand.

    Example:
        >>> models = ["resnet20", "resnet56"]
        >>> found = recommend("raspberry_pi_4", Requirement(max_ms=5), dataset="cifar10", models=models)
        >>> [(one.name, one.beyond) for one in found.candidates]
        [('resnet20', ('max_ms',)), ('resnet56', ('max_ms',))]
    """
    chosen = device_of(device)
    if measure_on is not None and chosen.name != "this":
        raise SettingError("cannot be measured here", where=chosen.name, fix='name the device "this", or predict')
    choose({entry.dataset: None for entry in CATALOG.values()}, dataset, "data set")
    bounds = requirement or Requirement()
    watcher = progress or Silent()
    candidates, notes = [], []
    for name in models or CATALOG:
        entry = choose(CATALOG, name, "model")
        if entry.dataset != dataset:
            continue
        if entry.top1 is None:
            notes.append(Note(name, "no accuracy is published", applied=False))
            continue
        watcher.say(name)
        try:
            candidates.append(_candidate(name, entry, entry.top1, chosen, bounds, (measure_on, seconds)))
        except LissomeError as error:
            notes.append(Note(name, str(error), applied=False))
    return Recommendation(
        device=chosen.name,
        dataset=dataset,
        basis="measured" if measure_on else "predicted",
        engine=measure_on or "",
        limits=bounds,
        candidates=_ranked(candidates, bounds),
        notes=tuple(notes),
    )


def _candidate(
    name: str, entry: Entry, top1: float, device: Device, limits: Requirement, how: tuple[str | None, float]
) -> Candidate:
    engine, seconds = how
    shape = (1, *entry.input)
    cost = profile(_light(name), shape, device=device)
    predicted = cost.prediction.total_ms if cost.prediction else math.nan
    beyond_at_the_least = limits.max_ms is not None and predicted > limits.max_ms
    latency = (
        predicted if engine is None or beyond_at_the_least else _measured(create(name, seed=0), shape, engine, seconds)
    )
    precision = cost.prediction.precision if cost.prediction and engine is None else "float32"
    found = Candidate(
        name=name,
        family=entry.family,
        top1=top1,
        latency_ms=latency,
        size_kib=cost.params * BYTES_OF[precision] / 1024,
        params=cost.params,
        macs=cost.macs,
    )
    broken = {
        "max_ms": limits.max_ms is not None and found.latency_ms > limits.max_ms,
        "max_kib": limits.max_kib is not None and found.size_kib > limits.max_kib,
        "min_top1": limits.min_top1 is not None and found.top1 < limits.min_top1,
    }
    return replace(found, beyond=tuple(one for one, is_broken in broken.items() if is_broken))


def _light(name: str) -> nn.Module:
    """Return the network without numbers: its cost does not depend on them."""
    with torch.device("meta"):
        return create(name)


def _measured(model: nn.Module, shape: tuple[int, ...], engine: str, seconds: float) -> float:
    noise = input_noise((shape,), 0)
    with tempfile.TemporaryDirectory(prefix="lissome-recommend-") as folder, pinned(1):
        session = load_proved(model, noise, engine, Path(folder))
        timing = measure({"one": lambda: session.run(noise[0].numpy())}, rounds=5, seconds=seconds)
    return timing.latency("one").median_ms


def _ranked(candidates: list[Candidate], limits: Requirement) -> tuple[Candidate, ...]:
    within = [one for one in candidates if not one.beyond]
    beyond = [one for one in candidates if one.beyond]
    scored = [
        replace(one, score=_score(one, within, limits), is_best=not any(other.dominates(one) for other in within))
        for one in within
    ]
    return tuple(sorted(scored, key=lambda one: -one.score)) + tuple(sorted(beyond, key=lambda one: one.latency_ms))


def _score(one: Candidate, others: list[Candidate], limits: Requirement) -> float:
    ratios = []
    if limits.max_ms is None:
        ratios.append(min(other.latency_ms for other in others) / one.latency_ms)
    if limits.max_kib is None:
        ratios.append(min(other.size_kib for other in others) / one.size_kib)
    # Error counts whatever its limit: of two networks within all limits, the more accurate is the better.
    ratios.append(min(100 - other.top1 for other in others) / (100 - one.top1))
    return math.prod(ratios) ** (1 / len(ratios))
