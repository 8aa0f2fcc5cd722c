"""What to do about a network on a device: every rule asked, every answer with what it costs and what helps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from lissome.advice.case import Case, Wiring
from lissome.advice.ghosts import ghosts
from lissome.advice.measured import measured_int8_ms, measured_rows
from lissome.advice.rule import Rule
from lissome.advice.rules import RULES
from lissome.advice.tip import Basis, Tip
from lissome.core.context import TaskLike
from lissome.core.errors import SettingError
from lissome.core.names import load_attribute
from lissome.core.outcome import Note, Outcome
from lissome.devices.device import Device
from lissome.layers.fake_quantize import is_quantized
from lissome.profiling.find_device import device_of
from lissome.profiling.profile import Profile, profile
from lissome.profiling.roofline import predict
from lissome.timing.layer_costs import rows_of
from lissome.timing.source_graph import calls_of, traced


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to do about a network on a device, the greatest gain first.

    Args:
        name: The network.
        device: The device's name.
        basis: Whether times are predicted or measured.
        total_ms: Time of the network.
        tips: The rules it breaks.
        kept: Names of the rules it keeps.
        notes: Rules that could not be asked, with the reason.
    """

    name: str
    device: str
    basis: Basis
    total_ms: float
    tips: tuple[Tip, ...]
    kept: tuple[str, ...]
    notes: tuple[Note, ...]

    def __iter__(self) -> Iterator[Tip]:
        return iter(self.tips)

    def __len__(self) -> int:
        return len(self.tips)

    def to_dict(self) -> dict[str, Any]:
        """Return all tips as plain JSON values."""
        names = ("name", "device", "basis", "total_ms")
        return {name: getattr(self, name) for name in names} | {
            "tips": [one.to_dict() for one in self.tips],
            "kept": list(self.kept),
            "notes": [one.to_dict() for one in self.notes],
        }

    def __str__(self) -> str:
        how = "measured" if self.basis == "measured" else "at the least, by the roofline"
        head = f"{self.name} on {self.device}: {self.total_ms:.3g} ms {how}"
        if not self.tips:
            head += f"; it breaks none of the {len(self.kept)} rules that were asked"
        lines = [head]
        for number, one in enumerate(self.tips, start=1):
            lines += ["", f"{number}. {one}"]
        if self.notes:
            lines += ["", *(f"not asked: {one.layer} ({one.reason})" for one in self.notes)]
        return "\n".join(lines)


def advise(
    subject: nn.Module | Outcome | Profile,
    input: Sequence[int] | Tensor | tuple[Tensor, ...] | None = None,
    *,
    device: str | Device | None = None,
    images: Tensor | TaskLike | None = None,
    measure: str | None = None,
    seconds: float = 5.0,
) -> Advice:
    """Say which rules a network breaks on a device, what each costs there, and what helps.

    Args:
        subject: A network, an outcome, or a profile: then rules about connections are not asked.
        input: Shape of the network's input, e.g. ``(1, 3, 224, 224)``; None for a profile, which knows it.
        device: The device or its name; None takes the profile's, or the machine at hand if something is measured.
        images: Real images (N, C, H, W), or a task, to look for redundant feature maps; None does not look.
        measure: The engine to take times on, on the machine at hand, instead of predicting them; None predicts.
        seconds: Time for that.

    Raises:
        SettingError: No device, no input, or something to be measured on another device than the one at hand.
        UnknownNameError: No device has that name.
        TraceError: The forward cannot be traced.
        ShapeError: The network does not take this input.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 900, 10))
        >>> [tip.rule for tip in advise(net, (1, 3, 32, 32), device="raspberry_pi_4")]
        ['lean_classifier']
    """
    cost, model = _subject(subject, input)
    chosen = _device(cost, device, measure)
    if measure is not None and (model is None or chosen.name != "this"):
        raise SettingError(
            "only a network on this machine can be measured", where="advise", fix='give the network, and device="this"'
        )
    basis: Basis = "predicted"
    quantized = model is not None and is_quantized(model)
    int8_ms = None
    if model is not None and measure is not None and input is not None:
        times, basis = measured_rows(model, cost, input, on=measure, seconds=seconds), "measured"
        int8_ms = None if quantized else measured_int8_ms(model, cost.inputs, on=measure, seconds=seconds)
    else:
        times = [row.ms for row in predict(cost, chosen).rows]
    case = Case(
        cost=cost,
        device=chosen,
        precision=chosen.precision,
        ms=times,
        basis=basis,
        is_quantized=quantized,
        wiring=None if model is None else _wiring(model, cost),
        ghosts=None if model is None or images is None else ghosts(model, images),
        measured_int8_ms=int8_ms,
    )
    return _ask(case)


def _subject(
    subject: nn.Module | Outcome | Profile, input: Sequence[int] | Tensor | tuple[Tensor, ...] | None
) -> tuple[Profile, nn.Module | None]:
    if isinstance(subject, Profile):
        return subject, None
    model = subject.model if isinstance(subject, Outcome) else subject
    if input is None:
        raise SettingError("the input shape is not known", where="advise", fix="give input=(1, 3, 224, 224)")
    return profile(model, input), model


def _device(cost: Profile, device: str | Device | None, measure: str | None) -> Device:
    if device is not None:
        return device_of(device)
    if cost.prediction is not None:
        return cost.prediction.device
    if measure is not None:
        return device_of("this")
    raise SettingError("no device is named", where="advise", fix='give device="raspberry_pi_4", or profile with one')


def _wiring(model: nn.Module, cost: Profile) -> Wiring:
    graph: fx.GraphModule = traced(model, tuple(torch.zeros(shape) for shape in cost.inputs))
    calls = calls_of(graph)
    places = {id(row): place for place, row in enumerate(cost.rows)}
    nodes = [node for node in graph.graph.nodes if node.op.startswith("call_")]
    readers: list[list[int]] = [[] for _ in calls]
    for number, call in enumerate(calls):
        for one in call.inputs:
            readers[one].append(number)
    return Wiring(
        calls=calls,
        rows={number: places[id(row)] for number, row in rows_of(calls, cost).items()},
        layers={
            number: graph.get_submodule(str(node.target))
            for number, node in enumerate(nodes)
            if node.op == "call_module"
        },
        readers=tuple(map(tuple, readers)),
    )


def _ask(case: Case) -> Advice:
    tips, kept, notes = [], [], []
    for name, home in RULES.items():
        rule: Rule = load_attribute(home)()
        if rule.needs_network and case.wiring is None:
            notes.append(Note(name, "a profile does not say what is connected: give the network", applied=False))
        elif rule.needs_ghosts and case.ghosts is None:
            notes.append(Note(name, "needs real images", applied=False))
        elif (tip := rule.check(case)) is not None:
            tips.append(tip)
        else:
            kept.append(name)
    tips.sort(key=lambda tip: -(tip.gain_ms if tip.gain_ms is not None else 0.0))
    return Advice(
        name=case.cost.name,
        device=case.device.name,
        basis=case.basis,
        total_ms=case.total_ms,
        tips=tuple(tips),
        kept=tuple(kept),
        notes=tuple(notes),
    )
