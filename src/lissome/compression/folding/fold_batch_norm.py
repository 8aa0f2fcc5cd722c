"""Fold batch normalisation into the convolution or linear layer before it."""

from dataclasses import dataclass

from torch import nn

from lissome.core.context import Context
from lissome.core.outcome import Note
from lissome.core.step import Change, Step
from lissome.tracing.batch_norm_folding import fold_batch_norms


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldBatchNorm(Step):
    """Fold each batch normalisation into the layer before it: same outputs, fewer operators.

    ``w' = w γ / sqrt(σ² + ε)``, ``b' = β + (b - μ) γ / sqrt(σ² + ε)``. A normalisation stays, with the reason in the
    receipt, where its input is used elsewhere too, does not come from a convolution or linear layer, or where one of
    the two layers is called more than once.

    Source:
        Jacob et al. 2018, arXiv:1712.05877, section 3.2.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        >>> FoldBatchNorm().apply(network, Context()).model
        Sequential( (0): Conv2d(3, 4, kernel_size=(1, 1), stride=(1, 1)) (1): Identity() )
    """

    def change(self, model: nn.Module, context: Context) -> Change:
        """Fold in the copy; its class stays, normalisations become identities."""
        notes = fold_batch_norms(model, context.inputs_if_known())
        notes = notes or (Note("", "there is no batch normalisation", applied=False),)
        return Change(model, notes, {"folded": sum(note.applied for note in notes)})
