"""lissome makes trained CNNs small and fast for small devices, and proves it on the engine that will run them.

Everything public is here: ``import lissome as ls``. Names are loaded when they are first used, so the import itself
costs next to nothing.
"""

from typing import TYPE_CHECKING, Any

from lissome.core.names import load_attribute

if TYPE_CHECKING:
    from lissome.advice.advise import advise
    from lissome.advice.ghosts import ghosts
    from lissome.advice.recommend import Requirement, recommend
    from lissome.compression.clustering.cluster_weights import ClusterWeights
    from lissome.compression.factorization import ranks
    from lissome.compression.factorization.factorize_convs import FactorizeConvs
    from lissome.compression.factorization.factorize_linear import FactorizeLinear
    from lissome.compression.factorization.structure_linear import StructureLinear
    from lissome.compression.folding.fold_batch_norm import FoldBatchNorm
    from lissome.compression.folding.fold_branches import FoldBranches
    from lissome.compression.pruning import scores
    from lissome.compression.pruning.keep_classes import KeepClasses
    from lissome.compression.pruning.make_student import MakeStudent
    from lissome.compression.pruning.prune_blocks import PruneBlocks
    from lissome.compression.pruning.prune_channels import PruneChannels
    from lissome.compression.pruning.prune_gradually import PruneGradually
    from lissome.compression.pruning.sensitivity_scan import SensitivityScan
    from lissome.compression.pruning.slim import Slim
    from lissome.compression.quantization import calibrators, formats
    from lissome.compression.quantization.absorb_bias import AbsorbBias
    from lissome.compression.quantization.ada_round import AdaRound
    from lissome.compression.quantization.calibration_scan import CalibrationScan
    from lissome.compression.quantization.correct_bias import CorrectBias
    from lissome.compression.quantization.equalize_layers import EqualizeLayers
    from lissome.compression.quantization.quantize import Quantize
    from lissome.compression.quantization.quantize_onnx import quantize_onnx
    from lissome.compression.quantization.quantize_weights import QuantizeWeights
    from lissome.compression.quantization.quantize_within import QuantizeWithin
    from lissome.compression.quantization.train_few_bits import TrainFewBits
    from lissome.compression.quantization.train_quantized import TrainQuantized
    from lissome.compression.sparsity.prune_weights import PruneWeights
    from lissome.core.context import Context, Need
    from lissome.core.errors import (
        BadArtifactError,
        BadDataError,
        BadModelError,
        BadRecipeError,
        ConversionError,
        EngineError,
        EngineMissingError,
        LissomeError,
        ParityError,
        RunError,
        SettingError,
        ShapeError,
        TooSlowError,
        TraceError,
        UnknownNameError,
        WeightsError,
    )
    from lissome.core.outcome import Note, Outcome
    from lissome.core.preprocessing import Preprocessing
    from lissome.core.recipe import Recipe
    from lissome.core.recipe_toml import recipe_to_toml
    from lissome.core.run_directory import RunDirectory
    from lissome.core.step import Step
    from lissome.data import augmentations
    from lissome.data.embedded_sample import sample
    from lissome.data.task import Task
    from lissome.detection.average_precision import average_precision
    from lissome.detection.box_task import box_task, coco128_task
    from lissome.detection.compare_detectors import compare_detectors
    from lissome.detection.detect import detect
    from lissome.detection.detectors import create_detector
    from lissome.detection.draw import draw_boxes
    from lissome.devices.catalog import DEVICES
    from lissome.devices.device import Device
    from lissome.exporting.export import export
    from lissome.exporting.export_onnx import export_onnx
    from lissome.exporting.optimize import optimize
    from lissome.exporting.partition import partition
    from lissome.models.catalog import CATALOG
    from lissome.models.create import create
    from lissome.models.weights import load_weights
    from lissome.profiling.latency_table import LatencyTable
    from lissome.profiling.profile import profile
    from lissome.profiling.roofline import predict
    from lissome.reports.report import report
    from lissome.runtimes.artifact import load
    from lissome.runtimes.sizes import sizes
    from lissome.tables import recipe_from_toml
    from lissome.timing.bench import bench
    from lissome.timing.bench_models import Pace, bench_models
    from lissome.timing.layer_bench import LayerBench
    from lissome.timing.measure import measure
    from lissome.timing.measure_factors import measure_factors
    from lissome.timing.measure_latency import MeasureLatency
    from lissome.timing.measure_layers import measure_layers
    from lissome.timing.remote import Remote
    from lissome.timing.side_by_side import compare
    from lissome.timing.throughput import throughput
    from lissome.timing.time_layers import time_layers
    from lissome.timing.verify import verify
    from lissome.training import losses, optimizers, regularizers, transfers
    from lissome.training.evaluate import evaluate
    from lissome.training.recalibrate_batch_norm import RecalibrateBatchNorm
    from lissome.training.tensorboard import TensorBoard
    from lissome.training.train import Train
    from lissome.tuning.budget import Budget
    from lissome.tuning.build import build
    from lissome.tuning.retune import retune
    from lissome.tuning.search import search
    from lissome.tuning.search_result import SearchResult
    from lissome.tuning.search_run import SearchRun
    from lissome.tuning.trials import moves
    from lissome.tuning.trials.limit import Limit
    from lissome.tuning.trials.search_budget import SearchBudget
    from lissome.tuning.trials.space import SearchSpace

__version__ = "0.1.0"

__all__ = [
    "CATALOG",
    "DEVICES",
    "AbsorbBias",
    "AdaRound",
    "BadArtifactError",
    "BadDataError",
    "BadModelError",
    "BadRecipeError",
    "Budget",
    "CalibrationScan",
    "ClusterWeights",
    "Context",
    "ConversionError",
    "CorrectBias",
    "Device",
    "EngineError",
    "EngineMissingError",
    "EqualizeLayers",
    "FactorizeConvs",
    "FactorizeLinear",
    "FoldBatchNorm",
    "FoldBranches",
    "KeepClasses",
    "LatencyTable",
    "LayerBench",
    "Limit",
    "LissomeError",
    "MakeStudent",
    "MeasureLatency",
    "Need",
    "Note",
    "Outcome",
    "Pace",
    "ParityError",
    "Preprocessing",
    "PruneBlocks",
    "PruneChannels",
    "PruneGradually",
    "PruneWeights",
    "Quantize",
    "QuantizeWeights",
    "QuantizeWithin",
    "RecalibrateBatchNorm",
    "Recipe",
    "Remote",
    "Requirement",
    "RunDirectory",
    "RunError",
    "SearchBudget",
    "SearchResult",
    "SearchRun",
    "SearchSpace",
    "SensitivityScan",
    "SettingError",
    "ShapeError",
    "Slim",
    "Step",
    "StructureLinear",
    "Task",
    "TensorBoard",
    "TooSlowError",
    "TraceError",
    "Train",
    "TrainFewBits",
    "TrainQuantized",
    "UnknownNameError",
    "WeightsError",
    "advise",
    "augmentations",
    "average_precision",
    "bench",
    "bench_models",
    "box_task",
    "build",
    "calibrators",
    "coco128_task",
    "compare",
    "compare_detectors",
    "create",
    "create_detector",
    "detect",
    "draw_boxes",
    "evaluate",
    "export",
    "export_onnx",
    "formats",
    "ghosts",
    "load",
    "load_weights",
    "losses",
    "measure",
    "measure_factors",
    "measure_layers",
    "moves",
    "optimize",
    "optimizers",
    "partition",
    "predict",
    "profile",
    "quantize_onnx",
    "ranks",
    "recipe_from_toml",
    "recipe_to_toml",
    "recommend",
    "regularizers",
    "report",
    "retune",
    "sample",
    "scores",
    "search",
    "sizes",
    "throughput",
    "time_layers",
    "transfers",
    "verify",
]

# Where each name lives, "module:attribute" or "module"; the imports above say the same to type checkers.
_HOMES = {
    "CalibrationScan": "lissome.compression.quantization.calibration_scan:CalibrationScan",
    "CATALOG": "lissome.models.catalog:CATALOG",
    "DEVICES": "lissome.devices.catalog:DEVICES",
    "BadArtifactError": "lissome.core.errors:BadArtifactError",
    "BadDataError": "lissome.core.errors:BadDataError",
    "BadModelError": "lissome.core.errors:BadModelError",
    "BadRecipeError": "lissome.core.errors:BadRecipeError",
    "Budget": "lissome.tuning.budget:Budget",
    "ClusterWeights": "lissome.compression.clustering.cluster_weights:ClusterWeights",
    "Context": "lissome.core.context:Context",
    "ConversionError": "lissome.core.errors:ConversionError",
    "Device": "lissome.devices.device:Device",
    "EngineError": "lissome.core.errors:EngineError",
    "EngineMissingError": "lissome.core.errors:EngineMissingError",
    "FactorizeConvs": "lissome.compression.factorization.factorize_convs:FactorizeConvs",
    "FactorizeLinear": "lissome.compression.factorization.factorize_linear:FactorizeLinear",
    "FoldBatchNorm": "lissome.compression.folding.fold_batch_norm:FoldBatchNorm",
    "FoldBranches": "lissome.compression.folding.fold_branches:FoldBranches",
    "KeepClasses": "lissome.compression.pruning.keep_classes:KeepClasses",
    "LatencyTable": "lissome.profiling.latency_table:LatencyTable",
    "LayerBench": "lissome.timing.layer_bench:LayerBench",
    "Limit": "lissome.tuning.trials.limit:Limit",
    "LissomeError": "lissome.core.errors:LissomeError",
    "MakeStudent": "lissome.compression.pruning.make_student:MakeStudent",
    "MeasureLatency": "lissome.timing.measure_latency:MeasureLatency",
    "Need": "lissome.core.context:Need",
    "Note": "lissome.core.outcome:Note",
    "Outcome": "lissome.core.outcome:Outcome",
    "Pace": "lissome.timing.bench_models:Pace",
    "ParityError": "lissome.core.errors:ParityError",
    "Preprocessing": "lissome.core.preprocessing:Preprocessing",
    "PruneBlocks": "lissome.compression.pruning.prune_blocks:PruneBlocks",
    "PruneChannels": "lissome.compression.pruning.prune_channels:PruneChannels",
    "PruneGradually": "lissome.compression.pruning.prune_gradually:PruneGradually",
    "PruneWeights": "lissome.compression.sparsity.prune_weights:PruneWeights",
    "Quantize": "lissome.compression.quantization.quantize:Quantize",
    "TrainFewBits": "lissome.compression.quantization.train_few_bits:TrainFewBits",
    "TrainQuantized": "lissome.compression.quantization.train_quantized:TrainQuantized",
    "QuantizeWithin": "lissome.compression.quantization.quantize_within:QuantizeWithin",
    "QuantizeWeights": "lissome.compression.quantization.quantize_weights:QuantizeWeights",
    "EqualizeLayers": "lissome.compression.quantization.equalize_layers:EqualizeLayers",
    "CorrectBias": "lissome.compression.quantization.correct_bias:CorrectBias",
    "AbsorbBias": "lissome.compression.quantization.absorb_bias:AbsorbBias",
    "AdaRound": "lissome.compression.quantization.ada_round:AdaRound",
    "RecalibrateBatchNorm": "lissome.training.recalibrate_batch_norm:RecalibrateBatchNorm",
    "Recipe": "lissome.core.recipe:Recipe",
    "Remote": "lissome.timing.remote:Remote",
    "Requirement": "lissome.advice.recommend:Requirement",
    "RunDirectory": "lissome.core.run_directory:RunDirectory",
    "RunError": "lissome.core.errors:RunError",
    "SearchBudget": "lissome.tuning.trials.search_budget:SearchBudget",
    "SearchResult": "lissome.tuning.search_result:SearchResult",
    "SearchRun": "lissome.tuning.search_run:SearchRun",
    "SearchSpace": "lissome.tuning.trials.space:SearchSpace",
    "SensitivityScan": "lissome.compression.pruning.sensitivity_scan:SensitivityScan",
    "SettingError": "lissome.core.errors:SettingError",
    "ShapeError": "lissome.core.errors:ShapeError",
    "Slim": "lissome.compression.pruning.slim:Slim",
    "Step": "lissome.core.step:Step",
    "StructureLinear": "lissome.compression.factorization.structure_linear:StructureLinear",
    "Task": "lissome.data.task:Task",
    "TensorBoard": "lissome.training.tensorboard:TensorBoard",
    "TooSlowError": "lissome.core.errors:TooSlowError",
    "TraceError": "lissome.core.errors:TraceError",
    "Train": "lissome.training.train:Train",
    "UnknownNameError": "lissome.core.errors:UnknownNameError",
    "WeightsError": "lissome.core.errors:WeightsError",
    "advise": "lissome.advice.advise:advise",
    "augmentations": "lissome.data.augmentations",
    "average_precision": "lissome.detection.average_precision:average_precision",
    "bench": "lissome.timing.bench:bench",
    "bench_models": "lissome.timing.bench_models:bench_models",
    "box_task": "lissome.detection.box_task:box_task",
    "build": "lissome.tuning.build:build",
    "calibrators": "lissome.compression.quantization.calibrators",
    "coco128_task": "lissome.detection.box_task:coco128_task",
    "compare": "lissome.timing.side_by_side:compare",
    "compare_detectors": "lissome.detection.compare_detectors:compare_detectors",
    "create": "lissome.models.create:create",
    "create_detector": "lissome.detection.detectors:create_detector",
    "detect": "lissome.detection.detect:detect",
    "draw_boxes": "lissome.detection.draw:draw_boxes",
    "evaluate": "lissome.training.evaluate:evaluate",
    "export": "lissome.exporting.export:export",
    "export_onnx": "lissome.exporting.export_onnx:export_onnx",
    "formats": "lissome.compression.quantization.formats",
    "ghosts": "lissome.advice.ghosts:ghosts",
    "load": "lissome.runtimes.artifact:load",
    "load_weights": "lissome.models.weights:load_weights",
    "losses": "lissome.training.losses",
    "measure": "lissome.timing.measure:measure",
    "measure_factors": "lissome.timing.measure_factors:measure_factors",
    "measure_layers": "lissome.timing.measure_layers:measure_layers",
    "moves": "lissome.tuning.trials.moves",
    "optimize": "lissome.exporting.optimize:optimize",
    "optimizers": "lissome.training.optimizers",
    "partition": "lissome.exporting.partition:partition",
    "predict": "lissome.profiling.roofline:predict",
    "profile": "lissome.profiling.profile:profile",
    "quantize_onnx": "lissome.compression.quantization.quantize_onnx:quantize_onnx",
    "ranks": "lissome.compression.factorization.ranks",
    "recipe_from_toml": "lissome.tables:recipe_from_toml",
    "recipe_to_toml": "lissome.core.recipe_toml:recipe_to_toml",
    "recommend": "lissome.advice.recommend:recommend",
    "regularizers": "lissome.training.regularizers",
    "report": "lissome.reports.report:report",
    "retune": "lissome.tuning.retune:retune",
    "sample": "lissome.data.embedded_sample:sample",
    "scores": "lissome.compression.pruning.scores",
    "search": "lissome.tuning.search:search",
    "sizes": "lissome.runtimes.sizes:sizes",
    "throughput": "lissome.timing.throughput:throughput",
    "time_layers": "lissome.timing.time_layers:time_layers",
    "transfers": "lissome.training.transfers",
    "verify": "lissome.timing.verify:verify",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lissome' has no attribute {name!r}")
    value = globals()[name] = load_attribute(_HOMES[name])
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
