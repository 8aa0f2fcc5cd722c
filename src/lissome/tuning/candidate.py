"""One way to run a network, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lissome.runtimes.protocol import Option
from lissome.timing.measure import Latency


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One way to run a network.

    Args:
        engine: Name of the runtime.
        precision: What it computes in; "" where its files could not be made.
        variant: Which graph it got: "as exported", "optimized", "quantized".
        options: Options of the engine that are not its defaults.
        latency: Time of one image; None where it was not timed.
        accuracy: Mean metric on validation images, where lower precision was scored by that.
        reason: Why it was not taken before the timing; "" where it was timed.
        chosen: Whether it is the one that was kept.
    """

    engine: str
    precision: str = ""
    variant: str = "as exported"
    options: Mapping[str, Option] = field(default_factory=dict)
    latency: Latency | None = None
    accuracy: float | None = None
    reason: str = ""
    chosen: bool = False

    @property
    def label(self) -> str:
        """The candidate in one line, unlike that of any other."""
        options = "".join(f", {name} {value}" for name, value in self.options.items())
        variant = "" if self.variant == "as exported" else f", {self.variant}"
        return f"{self.engine} {self.precision}{variant}{options}".strip()

    def to_dict(self) -> dict[str, Any]:
        """Return the candidate as plain JSON values."""
        names = ("engine", "precision", "variant", "accuracy", "reason", "chosen")
        table: dict[str, Any] = {name: getattr(self, name) for name in names}
        table["options"] = dict(self.options)
        if self.latency:
            table |= self.latency.to_dict()
        return table
