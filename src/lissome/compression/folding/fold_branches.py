"""Fold parallel linear branches into the one convolution that they are."""

from dataclasses import dataclass

from torch import nn

from lissome.compression.folding.parallel_branches import merge_parallel_branches
from lissome.core.context import Context
from lissome.core.errors import ParityError
from lissome.core.module_graph import run_once, trace
from lissome.core.outcome import Note
from lissome.core.step import Change, Step
from lissome.tracing.batch_norm_folding import fold_batch_norms
from lissome.tracing.calls import flat_tensors

TOLERANCE = 1e-4
"""Largest difference allowed, as a share of the largest output: the order of summing gives a hundredth of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldBranches(Step):
    """Fold parallel branches of one input that are summed into one convolution: same outputs, fewer operators and MACs.

    ``Σ_b BN_b(W_b ∗ x) + BN_i(x) = W' ∗ x + bias'``. Branches are convolutions, normalisations, both, or the input as
    it is; smaller kernels are surrounded by zeros. That covers RepVGG's blocks (3x3, 1x1, identity), ACNet's (3x3, 1x3,
    3x1) and parallel 1x1 convolutions, in any traceable network. Normalisations that stand behind a convolution alone
    are folded as `FoldBatchNorm` does. Branches of other stride, padding, dilation, groups or channels stay, and so do
    those that are not summed or that something else reads too; the receipt says which and why. With an example input
    the outputs before and after are compared.

    Measurements:
        branches_folded, norms_folded, params_before, params; max_rel_difference with an example.

    Raises:
        TraceError: The network cannot be traced.
        ParityError: The outputs differ.

    Source:
        Ding et al. 2021, arXiv:2101.03697, Section 3.3; Ding et al. 2019, arXiv:1908.03930, Section 3.3.

    Example:
        >>> from lissome.layers.reparameterizable import ReparameterizableConvolution
        >>> outcome = FoldBranches().apply(nn.Sequential(ReparameterizableConvolution(8, 8)), Context())
        >>> [type(layer).__name__ for layer in outcome.model.modules() if not list(layer.children())]
        ['Conv2d', 'ReLU']
    """

    def change(self, model: nn.Module, context: Context) -> Change:
        """Fold in the copy. A network that had branches comes back as its traced graph, others keep their class."""
        model.eval()
        inputs = context.inputs_if_known()
        before = run_once(model, inputs) if inputs else None
        params = _params(model)
        folded: list[Note] = []
        norms: list[Note] = []
        while True:
            graph = trace(model, inputs)
            merged = merge_parallel_branches(graph)
            if merged.folded:
                model, folded = graph, folded + merged.folded
            # A normalisation behind a sum stands behind a convolution now; and a sum may have new branches then.
            tried = fold_batch_norms(model, inputs)
            norms += [note for note in tried if note.applied]
            if not merged.folded:
                break
        rest = [note for note in tried if not note.applied]
        notes = (*folded, *norms, *merged.declined.values(), *rest)
        measurements: dict[str, float] = {
            "branches_folded": len(folded),
            "norms_folded": len(norms),
            "params_before": params,
            "params": _params(model),
        }
        if inputs:
            measurements["max_rel_difference"] = _difference(before, run_once(model, inputs))
        return Change(
            model,
            notes or (Note("", "there are no parallel branches and no batch normalisation", applied=False),),
            measurements,
        )


def _params(model: nn.Module) -> int:
    return sum(one.numel() for one in model.parameters())


def _difference(before: object, after: object) -> float:
    """Return the largest difference as a share of the largest output.

    Raises:
        ParityError: It is beyond the tolerance.
    """
    worst = 0.0
    for one, other in zip(flat_tensors(before), flat_tensors(after), strict=True):
        largest = float(one.abs().max()) if one.numel() else 0.0
        difference = float((one - other).abs().max()) if one.numel() else 0.0
        worst = max(worst, difference / largest if largest else difference)
    if not worst <= TOLERANCE:
        raise ParityError(
            f"folding changed the outputs by {worst:.1e} of the largest",
            where="FoldBranches",
            fix="report this network",
        )
    return worst
