"""Network slimming: train with a pull on the batch normalisation scales, prune by them, fine-tune, repeat."""

from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from lissome.compression.pruning.prune_channels import PruneChannels
from lissome.compression.pruning.receipt import cost_change
from lissome.compression.pruning.scores import BatchNormScale
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.outcome import Outcome
from lissome.core.recipe import Recipe, apply_as
from lissome.core.step import Change, Step
from lissome.tracing.groups import groups_of
from lissome.tracing.propagate import propagate
from lissome.training.regularizers import L1OnBatchNormScale
from lissome.training.train import Train

PAPERS_LIMIT = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Slim(Step):
    """Slim a network in one or several passes of sparse training, global pruning and fine-tuning.

    The inner steps are kept in the context's memory like those of a recipe, so an interrupted run goes on from the last
    of them; the receipt holds those of all of them.

    Args:
        fraction: Share of the channels that each pass removes, those of the smallest scales of the whole network, in
            (0, 1). Rounding and `keep_at_least` move it.
        passes: How often, ≥ 1.
        strength: λ of the penalty, ≥ 0; 1e-4 for VGG, 1e-5 for ResNet and DenseNet in the paper's 160 epochs. A short
            training needs more.
        start: What the scales are set to before the first pass; 0.5 for a network that is trained from scratch.
        keep_at_least: Fraction of every group that stays in each pass, [0, 1); None takes the paper's 0.5 for several
            passes and 0 for one.
        multiple_of: The channels kept of a group are a multiple of this, ≥ 1, or all of them. The paper's is 1; engines
            like 8.
        skip: Patterns of layer paths whose groups stay whole.
        train: The sparse training of each pass, without a regularizer of its own. With keep="best" the epoch of the
            best validation is pruned, which need not be the sparsest.
        tune: The fine-tuning of each pass. Without a teacher by default, since slimming may begin with a network that
            has learnt nothing; for a trained one `Train(epochs=20, teacher="original")` is better.

    Measurements:
        passes: for each its number, val_trained, near_zero (the share of scales below 0.01), val_pruned (before
        fine-tuning), val_tuned, params and macs; params_before, params, macs_before, macs.

    Raises:
        SettingError: A value is out of its range, `fraction` cannot be reached, or no prunable channel has a scale.

    Source:
        Liu et al. 2017, Learning Efficient Convolutional Networks through Network Slimming, arXiv:1708.06519,
        section 3 and figure 2.

    Example:
        >>> slim = Slim(fraction=0.5, passes=3)
        >>> [type(one).__name__ for one in slim.steps(())][:4], len(slim.steps(()))
        (['Train', 'PruneChannels', 'Train', 'Train'], 9)
    """

    fraction: float = 0.5
    passes: int = 1
    strength: float = 1e-4
    start: float | None = None
    keep_at_least: float | None = None
    multiple_of: int = 8
    skip: tuple[str, ...] = ()
    train: Train = field(default_factory=lambda: Train(epochs=20, keep="last"))
    tune: Train = field(default_factory=lambda: Train(epochs=20))

    def __post_init__(self) -> None:
        if not 0 < self.fraction < 1:
            raise SettingError(f"fraction is {self.fraction}", where="Slim", fix="choose a value in (0, 1)")
        if self.passes < 1:
            raise SettingError(f"passes is {self.passes}", where="Slim", fix="choose at least 1")
        if self.train.regularizer is not None:
            raise SettingError("train has a regularizer", where="Slim", fix="set strength instead")
        least = self._least()
        if least > 1 - self.fraction:
            raise SettingError(
                f"{self.fraction} of all cannot go while {least} of every layer stays",
                where="Slim",
                fix="lower fraction or keep_at_least, or take more passes",
            )
        # Refused now rather than after hours of training.
        L1OnBatchNormScale(strength=self.strength, start=self.start)
        self._pruning()

    def requires(self) -> tuple[Need, ...]:
        """Return what the inner steps need; the network that comes in serves as original where there is none."""
        return Recipe(*self.steps(())).requires()

    def steps(self, scales: tuple[str, ...]) -> tuple[Step, ...]:
        """Return the inner steps in order.

        Args:
            scales: Paths of the batch normalisations to pull on; none means all of them.
        """
        steps: list[Step] = []
        for number in range(self.passes):
            penalty = L1OnBatchNormScale(strength=self.strength, start=self.start if number == 0 else None, only=scales)
            steps += [replace(self.train, regularizer=penalty), self._pruning(), self.tune]
        return tuple(steps)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Not used: the work is done by `apply`, which keeps the receipts of the inner steps."""
        return Change(self.apply(model, context).model)

    def apply(self, model: nn.Module, context: Context) -> Outcome:
        """Run all passes.

        Raises:
            SettingError: As above, or the context lacks something.
        """
        self.check(model, context)
        return apply_as(self, self.steps(self._scales(model, context)), model, context, _measurements)

    def _least(self) -> float:
        if self.keep_at_least is not None:
            return self.keep_at_least
        return PAPERS_LIMIT if self.passes > 1 else 0.0

    def _pruning(self) -> PruneChannels:
        return PruneChannels(
            keep=1 - self.fraction,
            score=BatchNormScale(),
            scope="global",
            multiple_of=self.multiple_of,
            keep_at_least=self._least(),
            skip=self.skip,
        )

    @staticmethod
    def _scales(model: nn.Module, context: Context) -> tuple[str, ...]:
        """Return the normalisations whose channels can go, or none where that is all of them."""
        groups, _ = groups_of(propagate(model, context.example_inputs()))
        members = [member for group in groups for member in group.members if member.role == "scales"]
        known = {
            path: layer
            for path, layer in model.named_modules()
            if isinstance(layer, _BatchNorm) and isinstance(layer.weight, nn.Parameter)
        }
        prunable = {one.layer for one in members if one.parameter == "weight"} & known.keys()
        if not prunable:
            raise SettingError(
                "no channel that can be pruned has a batch normalisation scale",
                where="Slim",
                fix="use PruneChannels with another score",
            )
        return () if prunable == known.keys() else tuple(path for path in known if path in prunable)


def _measurements(outcome: Outcome) -> dict[str, Any]:
    passes = []
    for number, place in enumerate(range(0, len(outcome.parts), 3), start=1):
        trained, pruned, tuned = (dict(one.measurements) for one in outcome.parts[place : place + 3])
        chosen = trained["history"][trained["best_epoch"] - 1]
        passes.append(
            {
                "pass": number,
                "val_trained": trained["val_metric"],
                "near_zero": chosen["near_zero"],
                "val_pruned": tuned["val_metric_before"],
                "val_tuned": tuned["val_metric"],
                "params": pruned["params"],
                "macs": pruned["macs"],
            }
        )
    return {"passes": passes, **cost_change(outcome.parts[1].measurements, outcome.parts[-2].measurements)}
