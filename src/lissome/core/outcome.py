"""What a step hands back: a new model, and a receipt of what it changed and what it declined."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from lissome.core.context import Context


@dataclass(frozen=True, slots=True)
class Note:
    """One line of a receipt.

    Args:
        layer: The layer path it is about; "" for the whole network.
        reason: What was done, or why not.
        applied: False where the step declined.

    Example:
        >>> print(Note("layer1.0.conv1", "its channels reach the output", applied=False))
        declined layer1.0.conv1: its channels reach the output
    """

    layer: str
    reason: str
    applied: bool = True

    def __str__(self) -> str:
        return f"{'applied' if self.applied else 'declined'} {self.layer or '(network)'}: {self.reason}"

    def to_dict(self) -> dict[str, Any]:
        """Return the note as a plain dict."""
        return {"layer": self.layer, "reason": self.reason, "applied": self.applied}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A new model and the receipt.

    Args:
        model: The new model; the one that went in is untouched.
        step: The name of the step's class.
        settings: The step's settings as a recipe table.
        notes: What was changed and declined, with the reason.
        measurements: Figures the step measured or counted, by name with the unit: ``{"val_accuracy": 0.91}``.
        seconds: How long the step took.
        parts: For a recipe, the outcomes of its steps in order.
        context: What the step was given; exporting takes its samples and pre-processing from it.
    """

    model: "nn.Module"
    step: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    measurements: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    parts: tuple["Outcome", ...] = ()
    context: "Context | None" = None

    def walk(self) -> Iterator["Outcome"]:
        """Yield the outcomes of the single steps, in the order they ran."""
        if self.parts:
            for part in self.parts:
                yield from part.walk()
        else:
            yield self

    @property
    def declined(self) -> tuple[Note, ...]:
        """The notes of everything that was declined, of all steps."""
        return tuple(note for one in self.walk() for note in one.notes if not note.applied)

    def to_dict(self) -> dict[str, Any]:
        """Return the receipt, without the model, as plain JSON values."""
        return {
            "step": self.step,
            "settings": dict(self.settings),
            "seconds": round(self.seconds, 3),
            "measurements": dict(self.measurements),
            "notes": [note.to_dict() for note in self.notes],
            "parts": [part.to_dict() for part in self.parts],
        }

    def __str__(self) -> str:
        lines: list[str] = []
        for one in self.walk():
            plain = {name: value for name, value in one.measurements.items() if not isinstance(value, list | dict)}
            figures = ", ".join(f"{name} {_figure(value)}" for name, value in plain.items())
            lines.append(f"{one.step} ({one.seconds:.1f} s){': ' + figures if figures else ''}")
            lines += [f"  {note}" for note in one.notes]
        return "\n".join(lines)


def _figure(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
