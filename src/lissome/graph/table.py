"""PASSES and ON_REQUEST: every rewrite by name, in the order they run."""

from collections.abc import Mapping

PASSES: Mapping[str, str] = {
    "fold_constants": "lissome.graph.passes.fold_constants:FoldConstants",
    "fold_shapes": "lissome.graph.passes.fold_shapes:FoldShapes",
    "eliminate_dead_nodes": "lissome.graph.passes.eliminate_dead_nodes:EliminateDeadNodes",
    "eliminate_identities": "lissome.graph.passes.eliminate_identities:EliminateIdentities",
    "fold_pads": "lissome.graph.passes.fold_pads:FoldPads",
    "merge_layout_changes": "lissome.graph.passes.merge_layout_changes:MergeLayoutChanges",
    "fold_batch_norms": "lissome.graph.passes.fold_batch_norms:FoldBatchNorms",
    "fold_scales": "lissome.graph.passes.fold_scales:FoldScales",
    "fold_input_scales": "lissome.graph.passes.fold_input_scales:FoldInputScales",
    "restore_activations": "lissome.graph.passes.restore_activations:RestoreActivations",
    "restore_layers": "lissome.graph.passes.restore_layers:RestoreLayers",
    "merge_summed_convs": "lissome.graph.passes.merge_summed_convs:MergeSummedConvs",
    "merge_consecutive_convs": "lissome.graph.passes.merge_consecutive_convs:MergeConsecutiveConvs",
    "swap_average_pools": "lissome.graph.passes.swap_average_pools:SwapAveragePools",
    "narrow_channels": "lissome.graph.passes.narrow_channels:NarrowChannels",
    "merge_parallel_convs": "lissome.graph.passes.merge_parallel_convs:MergeParallelConvs",
    "absorb_channel_shuffles": "lissome.graph.passes.absorb_channel_shuffles:AbsorbChannelShuffles",
    "eliminate_concats": "lissome.graph.passes.eliminate_concats:EliminateConcats",
    "align_channels": "lissome.graph.passes.align_channels:AlignChannels",
    "pair_rows": "lissome.graph.passes.pair_rows:PairRows",
    "merge_common_subexpressions": "lissome.graph.passes.merge_common_subexpressions:MergeCommonSubexpressions",
}
"""Name to "module:class"."""

ON_REQUEST: Mapping[str, str] = {
    "store_codebooks": "lissome.graph.passes.store_codebooks:StoreCodebooks",
}
"""Passes that run only where they are named, behind the others: they gain bytes, no time."""
