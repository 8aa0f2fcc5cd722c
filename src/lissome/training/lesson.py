"""What a student is taught: the teacher's answers to each batch, and the losses beside them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Self

import torch
from torch import Tensor, nn

from lissome.core.errors import BadModelError
from lissome.training.taps import Taps, matched_layers
from lissome.training.teacher import Teacher
from lissome.training.transfers import Answer, FeatureTransfer, SoftTargets, Transfer


class Lesson:
    """Compares a student with its teacher.

    Args:
        teacher: Returns its answer to images.
        transfers: What is compared; all of them are added.
        taps: Of the student's layers, those of all transfers in order.
        adapters: For each transfer, layers that are trained with the student.
        places: For each transfer, which of the features it looks at.

    Example:
        >>> lesson = Lesson(lambda images: Answer(torch.zeros(2, 3)))
        >>> lesson(torch.zeros(2, 3), torch.zeros(2, 1), torch.tensor([0, 1])).item()
        0.0
    """

    def __init__(
        self,
        teacher: Callable[[Tensor], Answer],
        transfers: Sequence[Transfer] = (SoftTargets(),),
        taps: Taps | None = None,
        adapters: Sequence[nn.ModuleList] | None = None,
        places: Sequence[slice] | None = None,
    ) -> None:
        self.teacher, self.transfers, self.taps = teacher, tuple(transfers), taps
        self.adapters = list(adapters or (nn.ModuleList() for _ in transfers))
        self.places = list(places or (slice(0) for _ in transfers))

    @classmethod
    def of(
        cls,
        student: nn.Module,
        networks: Sequence[nn.Module],
        transfers: Sequence[Transfer],
        images: Tensor,
        dtype: torch.dtype,
    ) -> Self:
        """Return the lesson of one or several teachers; features are those of the first.

        Args:
            student: Gets hooks, which `close` removes.
            networks: Copied.
            transfers: What is compared.
            images: A batch like those to come.
            dtype: What the layers compute in.

        Raises:
            SettingError: A layer that is named does not exist, or none can be paired.
        """
        pairs: list[tuple[str, str]] = []
        places = []
        for one in transfers:
            layers = {}
            if isinstance(one, FeatureTransfer):
                layers = dict(one.layers) or matched_layers(student, networks[0], images)
            places.append(slice(len(pairs), len(pairs) + len(layers)))
            pairs += layers.items()
        teacher = Teacher(networks, images, dtype, taps=[path for _, path in pairs])
        if not pairs:
            return cls(teacher, transfers)
        taps = Taps(student, [path for path, _ in pairs])
        modes = {module: module.training for module in student.modules()}
        with torch.no_grad():
            student.eval()(images[:1])
        for module, training in modes.items():
            module.training = training
        ours = [one.shape for one in taps.take()]
        theirs = [one.shape for one in teacher(images[:1]).features]
        adapters = [one.adapters(ours[place], theirs[place]) for one, place in zip(transfers, places, strict=True)]
        return cls(teacher, transfers, taps, adapters, places)

    def __call__(self, output: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """Return the sum of the losses, each by its weight.

        Args:
            output: The student's logits for the images, whose run its taps have just seen.
            images: (N, C, H, W).
            labels: As the task has them.

        Raises:
            BadModelError: The teacher has other classes.
        """
        shown = self.shown(output, images)
        features = self.taps.take() if self.taps else ()
        losses = []
        for one, adapters, place in zip(self.transfers, self.adapters, self.places, strict=True):
            sides = Answer(output, features[place]), Answer(shown.logits, shown.features[place])
            losses.append(one.weight * one.loss(*sides, labels, adapters))
        return torch.stack(losses).sum()

    def shown(self, output: Tensor, images: Tensor) -> Answer:
        """Return the teacher's answer to the images, of the student's classes.

        Raises:
            BadModelError: The teacher has other classes.
        """
        shown = self.teacher(images)
        if shown.logits.shape != output.shape:
            raise BadModelError(
                f"gives {tuple(shown.logits.shape[1:])}, the network {tuple(output.shape[1:])}",
                where="teacher",
                fix="give a teacher of the same classes",
            )
        return shown

    def parameters(self) -> Iterator[nn.Parameter]:
        """Yield what is trained with the student and thrown away."""
        for one in self.adapters:
            yield from one.parameters()

    def close(self) -> None:
        """Take the hooks off the student."""
        if self.taps:
            self.taps.close()
