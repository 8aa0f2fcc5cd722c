"""A piece of advice: which rule is broken, where, what that costs, and what helps."""

from dataclasses import dataclass
from typing import Any, Literal

Basis = Literal["predicted", "measured"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tip:
    """One rule that a network breaks.

    Args:
        rule: Its name in `RULES`.
        title: The rule in a few words.
        source: Where the rule comes from.
        layers: The layers that break it, the costliest first; none means the whole network.
        why: What is wrong there, with the figures.
        cost_ms: Time of those layers, or of what is lost in them.
        cost_share: The same as a share of the network's time.
        basis: Whether the times are predicted by the roofline or measured.
        step: The step that helps, a name of `STEPS`; "" where none does it.
        change: What to do.
        gain_ms: Time that is expected to be saved; None where nothing can be said without trying.
        gain_basis: Whether the gain was predicted (scaled to the measured cost where that is known) or measured.
    """

    rule: str
    title: str
    source: str
    layers: tuple[str, ...]
    why: str
    cost_ms: float
    cost_share: float
    basis: Basis
    step: str = ""
    change: str
    gain_ms: float | None = None
    gain_basis: Basis = "predicted"

    @property
    def layer(self) -> str:
        """The costliest layer; "" for the whole network."""
        return self.layers[0] if self.layers else ""

    def to_dict(self) -> dict[str, Any]:
        """Return the tip as plain JSON values."""
        names = (name for name in self.__slots__ if name != "layers")
        return {name: getattr(self, name) for name in names} | {"layers": list(self.layers), "layer": self.layer}

    def __str__(self) -> str:
        more = f" and {len(self.layers) - 1} more" if len(self.layers) > 1 else ""
        gain = (
            "gain not known before it is tried"
            if self.gain_ms is None
            else f"expected gain {self.gain_ms:.3g} ms, {self.gain_basis}"
        )
        step = f" [{self.step}]" if self.step else ""
        return (
            f"{self.title}: {self.layer or 'the whole network'}{more}\n"
            f"  {self.why}\n"
            f"  costs {self.cost_ms:.3g} ms, {self.cost_share:.1%} of the time, {self.basis}\n"
            f"  do{step}: {self.change}; {gain}\n"
            f"  ({self.source})"
        )
