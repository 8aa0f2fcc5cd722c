"""The tables of what a recipe may name. Data only: nothing is loaded before it is asked for.

A new step, score, format … is one file, and one line here.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lissome.core.recipe import Recipe

STEPS: Mapping[str, str] = {
    "KeepClasses": "lissome.compression.pruning.keep_classes:KeepClasses",
    "MakeStudent": "lissome.compression.pruning.make_student:MakeStudent",
    "PruneBlocks": "lissome.compression.pruning.prune_blocks:PruneBlocks",
    "PruneChannels": "lissome.compression.pruning.prune_channels:PruneChannels",
    "PruneGradually": "lissome.compression.pruning.prune_gradually:PruneGradually",
    "SensitivityScan": "lissome.compression.pruning.sensitivity_scan:SensitivityScan",
    "Slim": "lissome.compression.pruning.slim:Slim",
    "PruneWeights": "lissome.compression.sparsity.prune_weights:PruneWeights",
    "ClusterWeights": "lissome.compression.clustering.cluster_weights:ClusterWeights",
    "FactorizeConvs": "lissome.compression.factorization.factorize_convs:FactorizeConvs",
    "FactorizeLinear": "lissome.compression.factorization.factorize_linear:FactorizeLinear",
    "StructureLinear": "lissome.compression.factorization.structure_linear:StructureLinear",
    "RecalibrateBatchNorm": "lissome.training.recalibrate_batch_norm:RecalibrateBatchNorm",
    "Train": "lissome.training.train:Train",
    "FoldBatchNorm": "lissome.compression.folding.fold_batch_norm:FoldBatchNorm",
    "FoldBranches": "lissome.compression.folding.fold_branches:FoldBranches",
    "EqualizeLayers": "lissome.compression.quantization.equalize_layers:EqualizeLayers",
    "AbsorbBias": "lissome.compression.quantization.absorb_bias:AbsorbBias",
    "Quantize": "lissome.compression.quantization.quantize:Quantize",
    "QuantizeWithin": "lissome.compression.quantization.quantize_within:QuantizeWithin",
    "CalibrationScan": "lissome.compression.quantization.calibration_scan:CalibrationScan",
    "CorrectBias": "lissome.compression.quantization.correct_bias:CorrectBias",
    "AdaRound": "lissome.compression.quantization.ada_round:AdaRound",
    "TrainQuantized": "lissome.compression.quantization.train_quantized:TrainQuantized",
    "TrainFewBits": "lissome.compression.quantization.train_few_bits:TrainFewBits",
    "QuantizeWeights": "lissome.compression.quantization.quantize_weights:QuantizeWeights",
    "MeasureLatency": "lissome.timing.measure_latency:MeasureLatency",
}
"""What a recipe is made of."""

SCORES: Mapping[str, str] = {
    "ActivationMean": "lissome.compression.pruning.scores:ActivationMean",
    "ActivationRank": "lissome.compression.pruning.scores:ActivationRank",
    "BatchNormScale": "lissome.compression.pruning.scores:BatchNormScale",
    "GeometricMedian": "lissome.compression.pruning.scores:GeometricMedian",
    "HessianDiagonal": "lissome.compression.pruning.scores:HessianDiagonal",
    "L1": "lissome.compression.pruning.scores:L1",
    "L2": "lissome.compression.pruning.scores:L2",
    "Random": "lissome.compression.pruning.scores:Random",
    "Taylor": "lissome.compression.pruning.scores:Taylor",
}
"""What a channel is worth."""

OBJECTIVES: Mapping[str, str] = {
    "LatencyTable": "lissome.profiling.latency_table:LatencyTable",
}
"""What decides how many channels stay."""

RANKS: Mapping[str, str] = {
    "CostShare": "lissome.compression.factorization.ranks:CostShare",
    "Energy": "lissome.compression.factorization.ranks:Energy",
    "Vbmf": "lissome.compression.factorization.ranks:Vbmf",
}
"""What decides the ranks of factorized layers."""

FORMATS: Mapping[str, str] = {
    "BFloat16": "lissome.compression.quantization.formats:BFloat16",
    "Binary": "lissome.compression.quantization.formats:Binary",
    "Float16": "lissome.compression.quantization.formats:Float16",
    "Int8": "lissome.compression.quantization.formats:Int8",
    "Log2": "lissome.compression.quantization.formats:Log2",
    "PowerOfTwo": "lissome.compression.quantization.formats:PowerOfTwo",
    "Ternary": "lissome.compression.quantization.formats:Ternary",
    "Uniform": "lissome.compression.quantization.formats:Uniform",
}
"""How numbers are stored."""

CALIBRATORS: Mapping[str, str] = {
    "Aciq": "lissome.compression.quantization.calibrators:Aciq",
    "DataFree": "lissome.compression.quantization.calibrators:DataFree",
    "Entropy": "lissome.compression.quantization.calibrators:Entropy",
    "MeanSquaredError": "lissome.compression.quantization.calibrators:MeanSquaredError",
    "MinMax": "lissome.compression.quantization.calibrators:MinMax",
    "MovingAverage": "lissome.compression.quantization.calibrators:MovingAverage",
    "Percentile": "lissome.compression.quantization.calibrators:Percentile",
}
"""Which range an activation gets."""

OPTIMIZERS: Mapping[str, str] = {
    "SGD": "lissome.training.optimizers:SGD",
    "AdamW": "lissome.training.optimizers:AdamW",
    "RepSGD": "lissome.training.optimizers:RepSGD",
}
"""How weights follow the gradient."""

BRANCH_SCALES: Mapping[str, str] = {
    "BranchScales": "lissome.training.optimizers:BranchScales",
}
"""What the would-be branches of a plain network are scaled by."""

REGULARIZERS: Mapping[str, str] = {
    "GroupLasso": "lissome.training.regularizers:GroupLasso",
    "L1OnBatchNormScale": "lissome.training.regularizers:L1OnBatchNormScale",
}
"""What training pulls towards zero."""

TRANSFERS: Mapping[str, str] = {
    "AttentionTransfer": "lissome.training.transfers:AttentionTransfer",
    "DecoupledTargets": "lissome.training.transfers:DecoupledTargets",
    "FeatureHints": "lissome.training.transfers:FeatureHints",
    "Relations": "lissome.training.transfers:Relations",
    "SoftTargets": "lissome.training.transfers:SoftTargets",
}
"""What a student takes over from its teacher."""

LOSSES: Mapping[str, str] = {
    "CrossEntropy": "lissome.training.losses:CrossEntropy",
    "Focal": "lissome.training.losses:Focal",
    "HardExamples": "lissome.training.losses:HardExamples",
    "RefinedLabels": "lissome.training.losses:RefinedLabels",
}
"""What training makes small."""

AUGMENTATIONS: Mapping[str, str] = {
    "Brightness": "lissome.data.augmentations:Brightness",
    "Contrast": "lissome.data.augmentations:Contrast",
    "Crop": "lissome.data.augmentations:Crop",
    "CropFlip": "lissome.data.augmentations:CropFlip",
    "CutMix": "lissome.data.augmentations:CutMix",
    "Cutout": "lissome.data.augmentations:Cutout",
    "Flip": "lissome.data.augmentations:Flip",
    "FourierMix": "lissome.data.augmentations:FourierMix",
    "GridMask": "lissome.data.augmentations:GridMask",
    "HideAndSeek": "lissome.data.augmentations:HideAndSeek",
    "Hue": "lissome.data.augmentations:Hue",
    "MixUp": "lissome.data.augmentations:MixUp",
    "Mosaic": "lissome.data.augmentations:Mosaic",
    "Noise": "lissome.data.augmentations:Noise",
    "Policy": "lissome.data.augmentations:Policy",
    "RandomErasing": "lissome.data.augmentations:RandomErasing",
    "Rotate": "lissome.data.augmentations:Rotate",
    "Saturation": "lissome.data.augmentations:Saturation",
    "Scale": "lissome.data.augmentations:Scale",
}
"""What happens to batches of training images."""

KINDS: Mapping[str, str] = {
    **STEPS,
    **SCORES,
    **OBJECTIVES,
    **RANKS,
    **FORMATS,
    **CALIBRATORS,
    **OPTIMIZERS,
    **BRANCH_SCALES,
    **REGULARIZERS,
    **TRANSFERS,
    **LOSSES,
    **AUGMENTATIONS,
}
"""Everything that can stand behind ``kind =`` in a recipe."""


def recipe_from_toml(text: str) -> "Recipe":
    r"""Read a recipe: one [[steps]] table a step, with the step's class as its kind.

    Raises:
        BadRecipeError: The text is no TOML, or a setting is of the wrong type or out of its range; says which step.
        UnknownNameError: A kind or setting that does not exist; says what was probably meant.

    Example:
        >>> recipe_from_toml('[[steps]]\nkind = "FoldBatchNorm"').steps
        (FoldBatchNorm(),)
    """
    # Loaded here, since who only looks at the tables should not wait for torch.
    from lissome.core.recipe_toml import recipe_from_toml as read

    return read(text, KINDS)
