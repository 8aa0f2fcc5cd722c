"""Run passes over a graph until nothing changes any more, and keep a receipt of each."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from lissome.core.errors import LissomeError, SettingError
from lissome.core.names import choose, load_attribute
from lissome.core.outcome import Note
from lissome.core.text_table import render
from lissome.graph.engine_facts import EngineFacts, facts_of
from lissome.graph.graph import Graph
from lissome.graph.model import graph_from_model, model_from_graph
from lissome.graph.rewrite import Pass
from lissome.graph.table import ON_REQUEST, PASSES

MOST_ROUNDS = 12
"""Passes make work for each other; a chain that needs more rounds than this does not occur in networks."""

Judge = Callable[[onnx.ModelProto], str | None]
"""Executes a candidate and returns why it must not be taken, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassReceipt:
    """What one pass did, over all rounds.

    Args:
        name: Its name in `PASSES`.
        purpose: What it is for.
        notes: What it rewrote, and what it declined in the end, with the reason.
        seconds: How long it took; with its proof where that had to be its own.
    """

    name: str
    purpose: str
    notes: tuple[Note, ...]
    seconds: float

    @property
    def fired(self) -> int:
        """How many rewrites were made."""
        return sum(note.applied for note in self.notes)

    def to_dict(self) -> dict[str, Any]:
        """Return the receipt as plain JSON values."""
        return {
            "pass": self.name,
            "purpose": self.purpose,
            "fired": self.fired,
            "declined": len(self.notes) - self.fired,
            "seconds": round(self.seconds, 4),
            "notes": [note.to_dict() for note in self.notes],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimized:
    """A new model and what was done to it.

    Args:
        model: The new model; the one that went in is untouched.
        before: Number of nodes of each operator before.
        after: The same after.
        passes: One receipt a pass, in the order they run.
        rounds: How often all of them ran.
        seconds: How long it took.
    """

    model: onnx.ModelProto
    before: Mapping[str, int]
    after: Mapping[str, int]
    passes: tuple[PassReceipt, ...]
    rounds: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return counts and receipts, without the model, as plain JSON values."""
        return {
            "operators_before": dict(sorted(self.before.items())),
            "operators_after": dict(sorted(self.after.items())),
            "nodes_before": sum(self.before.values()),
            "nodes_after": sum(self.after.values()),
            "rounds": self.rounds,
            "seconds": round(self.seconds, 4),
            "passes": [one.to_dict() for one in self.passes],
        }

    def explain(self) -> str:
        """Return every note of every pass."""
        lines = []
        for one in self.passes:
            lines.append(f"{one.name} ({one.purpose}): fired {one.fired}, declined {len(one.notes) - one.fired}")
            lines += [f"  {note}" for note in one.notes]
        return "\n".join(lines)

    def __str__(self) -> str:
        names = sorted({*self.before, *self.after})
        rows = [(name, str(self.before.get(name, 0)), str(self.after.get(name, 0))) for name in names]
        rows.append(("all", str(sum(self.before.values())), str(sum(self.after.values()))))
        fired = [(one.name, str(one.fired), str(len(one.notes) - one.fired)) for one in self.passes if one.notes]
        tables = [render(("operator", "before", "after"), rows)]
        if fired:
            tables.append(render(("pass", "fired", "declined"), fired))
        return "\n\n".join(tables)


def optimize_model(
    model: onnx.ModelProto,
    *,
    passes: Iterable[str] | None = None,
    engine: str | None = None,
    judge: Judge | None = None,
) -> Optimized:
    """Run passes in the order of `PASSES` until a round changes nothing, then those of `ON_REQUEST` that are named.

    With a judge the result is executed. If it computes something else, all is done anew and executed after each pass
    that changed anything, and what that pass did is thrown away where the difference begins.

    Args:
        model: A graph; it is not changed.
        passes: Names of `PASSES` or `ON_REQUEST`; None takes all of the former.
        engine: The engine that will run it, whose facts the passes follow; None for no special one.
        judge: Decides on each changed model.

    Raises:
        BadModelError: The model cannot be read.
        UnknownNameError: There is no such pass or engine.

    Example:
        >>> from onnx import helper
        >>> x, y = (helper.make_tensor_value_info(name, 1, [2]) for name in "xy")
        >>> nodes = [helper.make_node("Identity", ["x"], ["i"]), helper.make_node("Relu", ["i"], ["y"])]
        >>> graph = helper.make_graph(nodes, "g", [x], [y])
        >>> made = optimize_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))
        >>> dict(made.before), dict(made.after)
        ({'Identity': 1, 'Relu': 1}, {'Relu': 1})
    """
    started = time.perf_counter()
    facts, chosen = facts_of(engine), _chosen(passes)
    given = graph_from_model(model)
    done = _until_nothing_changes(given, chosen, facts, None)
    if judge and any(done.applied.values()) and _objection(done.graph, judge) is not None:
        done = _until_nothing_changes(given, chosen, facts, judge)
    return Optimized(
        model=model_from_graph(done.graph),
        before=given.operators(),
        after=done.graph.operators(),
        passes=done.receipts(chosen),
        rounds=done.rounds,
        seconds=time.perf_counter() - started,
    )


def padded_by_convolutions(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model whose frames of zeros are paddings of convolutions, wherever they can be.

    What every exported graph gets: no engine has frames of integers, and ONNX Runtime runs EfficientNet-Lite0 in int8
    a quarter slower with them.

    Args:
        model: A graph; it is not changed.
    """
    if not any(one.op_type == "Pad" for one in model.graph.node):
        return model
    return optimize_model(model, passes=("fold_constants", "fold_pads", "eliminate_dead_nodes")).model


_REJECTED = "(all of it)"
_UNEXPECTED = (LissomeError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def _chosen(names: Iterable[str] | None) -> dict[str, Pass[Any]]:
    known = {**PASSES, **ON_REQUEST}
    wanted = set(PASSES) if names is None else set(names)
    for name in sorted(wanted):
        choose(known, name, "pass")
    if not wanted:
        raise SettingError("no pass is named", where="optimize", fix="leave passes out to run all")
    return {name: load_attribute(path)() for name, path in known.items() if name in wanted}


def _objection(graph: Graph, judge: Judge) -> str | None:
    """Return what the judge says against a graph, or why it cannot be written."""
    try:
        made = model_from_graph(graph)
    except _UNEXPECTED as error:
        return _said(error)
    return judge(made)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


class _Work:
    """A graph on its way, and what was done to it.

    Args:
        graph: The graph as it came, which is left alone.
        names: The passes.
    """

    def __init__(self, graph: Graph, names: Iterable[str]) -> None:
        self.graph, self._spare = graph, graph.copy()
        self.applied: dict[str, list[Note]] = {name: [] for name in names}
        self._declined: dict[str, tuple[Note, ...]] = {}
        self._seconds = dict.fromkeys(self.applied, 0.0)
        self.banned: set[str] = set()
        self.rounds = 0

    def run(self, name: str, one: Pass[Any], facts: EngineFacts, judge: Judge | None) -> bool:
        """Let a pass work, and tell whether it changed anything for good."""
        started = time.perf_counter()
        notes = self._notes(name, one, facts, judge)
        self._seconds[name] += time.perf_counter() - started
        done = [note for note in notes if note.applied]
        self.applied[name] += done
        self._declined[name] = tuple(note for note in notes if not note.applied)
        if any(note.layer == _REJECTED for note in notes) or name in facts.off:
            self.banned.add(name)
        return bool(done)

    def _notes(self, name: str, one: Pass[Any], facts: EngineFacts, judge: Judge | None) -> tuple[Note, ...]:
        """Run a pass on the spare graph. One that it left alone serves the next pass, with all that is known of it."""
        if name in facts.off:
            return (Note("", f"cannot pay on {facts.name}: {facts.off[name]}", applied=False),)
        version = self._spare.version
        reason: str | None = None
        try:
            with np.errstate(all="ignore"):  # a file's weights may hold anything; the judge compares what comes of it
                notes = one.run(self._spare, facts)
        except _UNEXPECTED as error:
            # A file may hold what no pass expects. The graph as it was is still right, so that is what goes on.
            notes, reason = (), _said(error)
        else:
            if judge and any(note.applied for note in notes):
                reason = _objection(self._spare, judge)
        if reason is not None:
            notes = (Note(_REJECTED, f"taken back, since {reason}", applied=False),)
        fired = any(note.applied for note in notes)
        if fired:
            self.graph = self._spare
        if fired or self._spare.version != version:
            self._spare = self.graph.copy()
        return notes

    def look_again(self) -> None:
        """Find all shapes anew: more may be known of what is left."""
        self._spare.forget_shapes()

    def receipts(self, chosen: Mapping[str, Pass[Any]]) -> tuple[PassReceipt, ...]:
        """Return one receipt a pass."""
        return tuple(
            PassReceipt(
                name=name,
                purpose=one.purpose,
                notes=(*self.applied[name], *self._declined.get(name, ())),
                seconds=self._seconds[name],
            )
            for name, one in chosen.items()
        )


def _until_nothing_changes(
    graph: Graph, chosen: Mapping[str, Pass[Any]], facts: EngineFacts, judge: Judge | None
) -> _Work:
    work = _Work(graph, chosen)
    for table in (PASSES, ON_REQUEST):  # the latter undo what the former do, and the other way round
        stage = {name: one for name, one in chosen.items() if name in table}
        _settle(work, stage, facts, judge)
    return work


def _settle(work: _Work, stage: Mapping[str, Pass[Any]], facts: EngineFacts, judge: Judge | None) -> None:
    changed, last = bool(stage), work.rounds + MOST_ROUNDS
    while changed and work.rounds < last:
        changed, work.rounds = False, work.rounds + 1
        work.look_again()
        for name, one in stage.items():
            if name not in work.banned:
                changed = work.run(name, one, facts, judge) or changed
