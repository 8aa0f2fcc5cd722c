"""Train or fine-tune a network, with or without a teacher."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import convert_conv2d_weight_memory_format

from lissome.core.context import BatchTransform, Context, Need, TaskLike
from lissome.core.errors import BadModelError, SettingError
from lissome.core.module_graph import run_once
from lissome.core.outcome import Note
from lissome.core.processes import processes
from lissome.core.seeded import seeded
from lissome.core.step import Change, Step
from lissome.data.augmentation import Augmentation
from lissome.data.augmentations.automatic import automatic
from lissome.data.augmentations.prepared import prepared
from lissome.training.data_parallel import begin_alike
from lissome.training.evaluate import evaluate
from lissome.training.histogram import histogram, share_near_zero
from lissome.training.kept_sharing import KeptSharing
from lissome.training.kept_zeros import KeptZeros
from lissome.training.lesson import Lesson
from lissome.training.loop import Batches, Loop
from lissome.training.losses import CrossEntropy, Focal, HardExamples, RefinedLabels
from lissome.training.memory_layout import fastest_layout
from lissome.training.objective import Objective
from lissome.training.optimizers import SGD, AdamW, RepSGD
from lissome.training.precision import Precision, resolve_precision
from lissome.training.regularizers import GroupLasso, L1OnBatchNormScale
from lissome.training.schedules import Schedule, learning_rate_factor
from lissome.training.transfers import (
    AttentionTransfer,
    DecoupledTargets,
    FeatureHints,
    Relations,
    SoftTargets,
)

ALPHA = 0.9

TeacherSetting = nn.Module | Literal["original", "self"]
AnyTransfer = SoftTargets | DecoupledTargets | FeatureHints | AttentionTransfer | Relations


@dataclass(frozen=True, slots=True, kw_only=True)
class Train(Step):
    """Train on the task's training data; choose, if asked to, by its validation data.

    With a teacher the loss is ``alpha · soft + (1 - alpha) · hard``, where soft compares with the teacher's answers at
    a temperature and hard is the task's loss; `transfers` put other comparisons in soft's place.

    Under ``torchrun`` its processes share each batch and average their gradients. Batch normalisation, and losses that
    compare the images of a batch, see the part of one process; running statistics are averaged after each epoch, the
    first process evaluates, and all end with the same network.

    Args:
        epochs: Passes over the training data, ≥ 1.
        batch_size: Images a batch, of all processes together, ≥ 1.
        images: At most so many training images an epoch, drawn anew for each, ≥ 1; None takes all.
        optimizer: `SGD`, `AdamW` or `RepSGD`, with the peak learning rate.
        schedule: How the rate changes: "cosine", "one_cycle" or "constant", each after a warm-up.
        warm_up: Share of all steps over which the rate rises, [0, 1); None takes the schedule's own.
        teacher: A network; "original", the context's uncompressed one; "self", the network as it comes in (born again);
            or several of them, whose logits are averaged. None trains without.
        temperature: Of the soft answers, > 0.
        alpha: Weight of what the teacher says, [0, 1]; the labels have the rest.
        transfers: What is learnt from the teacher: `SoftTargets`, `DecoupledTargets`, `FeatureHints`,
            `AttentionTransfer`, `Relations`, added up by their weights; empty is `SoftTargets` of this `temperature`.
        loss: `CrossEntropy`, `Focal`, `HardExamples` or `RefinedLabels` (which asks the teacher and takes the place of
            the transfers) instead of the task's cross entropy; None takes the task's own loss.
        label_smoothing: Share of the target given to all classes evenly, [0, 1); for the cross entropy only.
        precision: "bfloat16" computes layers in bfloat16; "auto" does where the CPU is faster with it.
        augmentation: One of `augmentations`, or a `Policy` of several; "auto" crops and mirrors images of at most 64
            pixels, only mirrors larger ones, and scales and mirrors those whose labels are boxes.
        gradient_clip: Largest norm of the whole gradient, > 0; None does not clip.
        regularizer: What is pulled towards zero beside the loss: `L1OnBatchNormScale`, `GroupLasso`, or None.
        keep_zeros: Weights that are zero at the start stay zero, in tensors that are not nothing but zeros, so that
            sparsity survives fine-tuning.
        keep_shared: Weights that share a few values at the start (`ClusterWeights`) go on sharing them, and the values
            move by the gradients of all who share them.
        keep: "best" returns the weights of the epoch that is best on the validation data, "last" those of the last.
            With a regularizer, "last" are the sparsest.

    Measurements:
        val_metric_before, val_metric, best_epoch, precision, and history: for each epoch
        its number, mean loss, val_metric and seconds. With a regularizer also near_zero, the share of scales (or of
        filters' root mean squares) below 0.01, for each epoch, and the histogram of the scales returned.

    Raises:
        SettingError: A value is out of its range, or the loss became NaN or infinite.
        BadModelError: Nothing of the network can be trained, or it or the teacher has not the task's outputs.

    Source:
        Distillation: Hinton, Vinyals and Dean 2015, arXiv:1503.02531. Born again: Furlanello et al. 2018,
        arXiv:1805.04770. Label smoothing: Szegedy et al. 2015,
        arXiv:1512.00567, Section 7.

    Example:
        >>> Train(epochs=2, teacher="original").requires()
        (<Need.TASK: 'a task with training data'>, <Need.ORIGINAL: 'the uncompressed network as teacher'>)
    """

    epochs: int
    batch_size: int = 128
    images: int | None = None
    optimizer: SGD | AdamW | RepSGD = field(default_factory=SGD)
    schedule: Schedule = "cosine"
    warm_up: float | None = None
    teacher: TeacherSetting | tuple[TeacherSetting, ...] | None = None
    temperature: float = 4.0
    alpha: float = ALPHA
    transfers: tuple[AnyTransfer, ...] = ()
    loss: CrossEntropy | Focal | HardExamples | RefinedLabels | None = None
    label_smoothing: float = 0.0
    precision: Precision = "auto"
    augmentation: Augmentation | Literal["auto", "none"] = "auto"
    gradient_clip: float | None = None
    regularizer: L1OnBatchNormScale | GroupLasso | None = None
    keep_zeros: bool = True
    keep_shared: bool = True
    keep: Literal["last", "best"] = "best"

    def __post_init__(self) -> None:
        ranges = {
            "epochs": (self.epochs >= 1, "at least 1"),
            "batch_size": (self.batch_size >= 1, "at least 1"),
            "images": (self.images is None or self.images >= 1, "of at least 1"),
            "warm_up": (self.warm_up is None or 0 <= self.warm_up < 1, "in [0, 1)"),
            "temperature": (self.temperature > 0, "above 0"),
            "alpha": (0 <= self.alpha <= 1, "in [0, 1]"),
            "label_smoothing": (0 <= self.label_smoothing < 1, "in [0, 1)"),
            "gradient_clip": (self.gradient_clip is None or self.gradient_clip > 0, "above 0"),
        }
        for name, (right, wanted) in ranges.items():
            if not right:
                raise SettingError(f"{name} is {getattr(self, name)}", where="Train", fix=f"choose a value {wanted}")
        self._check_loss()
        if self.transfers and (self.teacher is None or self.temperature != SoftTargets().temperature):
            raise SettingError(
                "transfers have temperatures of their own" if self.teacher else "transfers need a teacher",
                where="Train",
                fix="set the temperature in the transfer" if self.teacher else 'set teacher="original"',
            )

    def _check_loss(self) -> None:
        if self.loss is not None and self.label_smoothing:
            raise SettingError(
                "loss and label_smoothing exclude each other", where="Train", fix="give CrossEntropy(smoothing=…)"
            )
        if not isinstance(self.loss, RefinedLabels):
            return
        if self.teacher is None:
            raise SettingError("RefinedLabels need a teacher", where="Train", fix='set teacher="original"')
        if self.transfers or (self.temperature, self.alpha) != (SoftTargets().temperature, ALPHA):
            raise SettingError(
                "RefinedLabels take the place of transfers, temperature and alpha",
                where="Train",
                fix="set trust instead",
            )

    def requires(self) -> tuple[Need, ...]:
        """Return TASK, and ORIGINAL if that is a teacher."""
        return (Need.TASK, Need.ORIGINAL) if "original" in self._teachers() else (Need.TASK,)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Train the copy."""
        task = context.require_task()
        if not any(one.requires_grad for one in model.parameters()):
            raise BadModelError("has no trainable parameter", where="Train", fix="set requires_grad on its parameters")
        loop = self._loop(model, context, task)
        history: list[dict[str, Any]] = []
        run = loop.batches.run

        def score() -> float:
            return run.first(lambda: evaluate(model, task.validation, task.metric))

        before = score()
        curves = context.curves
        if curves:
            curves.add({"val_metric": before}, 0)
        best, best_epoch, best_weights = -math.inf, 0, _weights(model)
        # Dropout draws from the global generator; the caller's is left as it was.
        with seeded(context.generator("training").initial_seed() + run.rank):
            for epoch in range(1, self.epochs + 1):
                started = time.perf_counter()
                loss = loop.run_epoch(epoch, context.progress)
                reached = score()
                figures = {"loss": loss, "val_metric": reached}
                if loop.penalty:
                    figures["near_zero"] = share_near_zero(loop.penalty.magnitudes())
                history.append({"epoch": epoch, **figures, "seconds": time.perf_counter() - started})
                if curves:
                    curves.add({**figures, "learning_rate": loop.rate}, epoch)
                context.progress.say(f"epoch {epoch} of {self.epochs}: loss {loss:.4f}, validation {reached:.4f}")
                if self.keep == "last" or reached >= best:
                    best, best_epoch, best_weights = reached, epoch, _weights(model)
        if loop.objective.lesson:
            loop.objective.lesson.close()
        model.load_state_dict(best_weights)
        measurements = {
            "val_metric_before": before,
            "val_metric": best,
            "best_epoch": best_epoch,
            "precision": str(loop.objective.dtype).removeprefix("torch."),
            "history": history,
            **({"histogram": histogram(loop.penalty.magnitudes())} if loop.penalty else {}),
        }
        model.zero_grad(set_to_none=True)
        convert_conv2d_weight_memory_format(model, torch.contiguous_format)
        return Change(model.eval(), _notes(before, best, loop), measurements)

    def _loop(self, model: nn.Module, context: Context, task: TaskLike) -> Loop:
        images, labels = next(iter(task.train.batches(1)))
        dtype = resolve_precision(self.precision, model)
        transform = self._transform(images, labels)
        layout = fastest_layout(model, images)
        _require_outputs(model, images, task)
        run = processes()
        batches = Batches(
            split=task.train,
            batch_size=self.batch_size,
            generator=context.generator("training/batches"),
            transform=None if transform is None else prepared(transform, task.preprocessing, task.classes),
            layout=layout,
            limit=self.images,
            run=run,
        )
        convert_conv2d_weight_memory_format(model, layout)
        penalty = self.regularizer.build(model) if self.regularizer else None
        lesson = self._lesson(model, context, images, dtype)
        optimizer = self.optimizer.build(model)
        if lesson and (thrown_away := [*lesson.parameters()]):
            optimizer.add_param_group({"params": thrown_away})
        begin_alike(model, run)
        return Loop(
            model=model,
            objective=Objective(hard=self._hard_loss(task), dtype=dtype, lesson=lesson, alpha=self.alpha),
            optimizer=optimizer,
            learning_rate=lambda share: (
                self.optimizer.learning_rate * learning_rate_factor(self.schedule, share, self.warm_up)
            ),
            batches=batches,
            epochs=self.epochs,
            gradient_clip=self.gradient_clip,
            penalty=penalty,
            kept_zeros=KeptZeros(model) if self.keep_zeros else None,
            kept_sharing=KeptSharing(model) if self.keep_shared else None,
        )

    def _teachers(self) -> tuple[TeacherSetting, ...]:
        if self.teacher is None:
            return ()
        return self.teacher if isinstance(self.teacher, tuple) else (self.teacher,)

    def _lesson(self, model: nn.Module, context: Context, images: Tensor, dtype: torch.dtype) -> Lesson | None:
        words: dict[str, Callable[[], nn.Module]] = {"original": context.require_original, "self": lambda: model}
        networks = [words[one]() if isinstance(one, str) else one for one in self._teachers()]
        if not networks:
            return None
        transfers = self.transfers or (SoftTargets(temperature=self.temperature),)
        with seeded(context.generator("training/transfers").initial_seed()):
            return Lesson.of(model, networks, transfers, images, dtype)

    def _hard_loss(self, task: TaskLike) -> Callable[[Tensor, Tensor], Tensor]:
        if self.loss is None and not self.label_smoothing:
            return task.loss
        if task.loss is not functional.cross_entropy:
            what = "label_smoothing" if self.loss is None else type(self.loss).__name__
            raise SettingError(f"{what} needs the cross entropy", where="Train", fix="change the task's own loss")
        if self.loss is not None:
            return self.loss
        return partial(functional.cross_entropy, label_smoothing=self.label_smoothing)

    def _transform(self, images: Tensor, labels: Tensor) -> BatchTransform | None:
        if self.augmentation == "none":
            return None
        return automatic(images, labels) if self.augmentation == "auto" else self.augmentation


def _require_outputs(model: nn.Module, images: Tensor, task: TaskLike) -> None:
    """Refuse a network with fewer outputs than classes; a loss of the task's own may want something else."""
    if task.loss is not functional.cross_entropy:
        return
    output = run_once(model, (images,))
    shape = tuple(output.shape) if isinstance(output, Tensor) else ()
    if len(shape) != 2 or shape[1] < task.classes:
        raise BadModelError(
            f"gives {'x'.join(map(str, shape)) or type(output).__name__} for one image of {task.classes} classes",
            where=type(model).__name__,
            fix=f"give a network of {task.classes} outputs, or a task with a loss of its own",
        )


def _notes(before: float, after: float, loop: Loop) -> tuple[Note, ...]:
    notes = []
    if (run := loop.batches.run).count > 1:
        size = loop.batches.batch_size
        reason = f"{run.count} processes share each batch of {size}; normalisations see {size // run.count} images"
        notes.append(Note("", reason))
    if zeros := loop.kept_zeros:
        notes.append(Note("", f"{zeros.zeros:,} weights of {len(zeros)} layers stay zero"))
    if sharing := loop.kept_sharing:
        notes.append(Note("", f"{sharing.weights:,} weights of {len(sharing)} layers go on sharing values"))
    if after < before:
        reason = f"the validation metric fell from {before:.4f} to {after:.4f}: lower the learning rate"
        notes.append(Note("", reason, applied=False))
    return tuple(notes)


def _weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
