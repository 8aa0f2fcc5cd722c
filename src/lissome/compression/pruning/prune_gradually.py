"""Prune a little, fine-tune, and again: the network never loses so much at once that it cannot recover."""

from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from lissome.compression.pruning.prune_channels import PruneChannels
from lissome.compression.pruning.receipt import cost_change
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.outcome import Outcome
from lissome.core.recipe import Recipe, apply_as
from lissome.core.step import Change, Step
from lissome.training.train import Train


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneGradually(Step):
    """Prune channels in rounds, each followed by fine-tuning.

    Every round keeps the same share of what the one before left, so that all together keep the share asked for. Only
    the last round rounds to multiples, since a group of 16 channels could otherwise never lose a quarter. The inner
    steps are kept in the context's memory like those of a recipe, so an interrupted run goes on from the last of them;
    the receipt holds those of all of them.

    Args:
        prune: The pruning as a whole; its `keep` is reached after the last round.
        rounds: How often, ≥ 1.
        train: The fine-tuning of each round but the last. Default 2 epochs beside the uncompressed network.
        last: The fine-tuning of the last round; None is like the others.

    Measurements:
        rounds: for each its number, keep, val_pruned (before fine-tuning), val_tuned, params and macs; params_before,
        params, macs_before, macs.

    Raises:
        SettingError: `rounds` is below 1.

    Source:
        Molchanov et al. 2017, arXiv:1611.06440, section 2; Li et al. 2017, arXiv:1608.08710, section 3.4.

    Example:
        >>> gradually = PruneGradually(prune=PruneChannels(keep=0.25), rounds=2)
        >>> [one.keep for one in gradually.steps() if isinstance(one, PruneChannels)]
        [0.5, 0.5]
    """

    prune: PruneChannels
    rounds: int = 3
    train: Train = field(default_factory=lambda: Train(epochs=2, teacher="original"))
    last: Train | None = None

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise SettingError(f"rounds is {self.rounds}", where="PruneGradually", fix="choose at least 1")

    def requires(self) -> tuple[Need, ...]:
        """Return what the inner steps need; the network that comes in serves as original where there is none."""
        return Recipe(*self.steps()).requires()

    def steps(self) -> tuple[Step, ...]:
        """Return the inner steps in order."""
        a_round = self.prune.keep ** (1 / self.rounds)
        steps: list[Step] = []
        for number in range(1, self.rounds + 1):
            is_last = number == self.rounds
            multiple_of = self.prune.multiple_of if is_last else 1
            train = (self.last or self.train) if is_last else self.train
            steps += [replace(self.prune, keep=a_round, multiple_of=multiple_of), train]
        return tuple(steps)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Not used: the work is done by `apply`, which keeps the receipts of the inner steps."""
        return Change(self.apply(model, context).model)

    def apply(self, model: nn.Module, context: Context) -> Outcome:
        """Run all rounds.

        Raises:
            SettingError: As above, or the context lacks something.
        """
        return apply_as(self, self.steps(), model, context, _measurements)


def _measurements(outcome: Outcome) -> dict[str, Any]:
    pairs = list(zip(outcome.parts[::2], outcome.parts[1::2], strict=True))
    rounds = [
        {
            "round": number,
            "keep": pruned.settings.get("keep", PruneChannels().keep),
            "val_pruned": tuned.measurements["val_metric_before"],
            "val_tuned": tuned.measurements["val_metric"],
            "params": pruned.measurements["params"],
            "macs": pruned.measurements["macs"],
        }
        for number, (pruned, tuned) in enumerate(pairs, start=1)
    ]
    return {"rounds": rounds, **cost_change(pairs[0][0].measurements, pairs[-1][0].measurements)}
