"""What every regularizer has in common."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from lissome.core.errors import SettingError
from lissome.core.patterns import check_patterns, matches


class Penalty(ABC):
    """A regularizer bound to one model's parameters."""

    @abstractmethod
    def add_gradient(self) -> None:
        """Add the penalty's sub-gradient to the gradients that the loss has left."""

    @abstractmethod
    def magnitudes(self) -> Tensor:
        """Return what is pulled towards zero, one number ≥ 0 a channel.

        Shape:
            Returns (channels of all layers,).
        """


class Regularizer(ABC):
    """Settings that make a penalty for a model; subclasses are frozen dataclasses."""

    __slots__ = ()

    @abstractmethod
    def build(self, model: nn.Module) -> Penalty:
        """Return the penalty of a model's parameters, which may be set to their start values.

        Raises:
            SettingError: The model has nothing to regularize.
        """


def chosen_layers(
    model: nn.Module, kinds: tuple[type[nn.Module], ...], only: tuple[str, ...], where: str
) -> list[nn.Module]:
    """Return the layers of some kinds with a trainable weight, in order.

    Args:
        model: The network.
        kinds: Classes of layers.
        only: Patterns of layer paths; none takes all.
        where: Name of the regularizer, for the message.

    Raises:
        SettingError: There is none, or a pattern matches none.
    """
    known = {
        path: layer
        for path, layer in model.named_modules()
        if isinstance(layer, kinds) and isinstance(layer.weight, Tensor) and layer.weight.requires_grad
    }
    if not known:
        names = " or ".join(one.__name__ for one in kinds[:2])
        raise SettingError(f"the network has no trainable {names}", where=where, fix="train without this regularizer")
    check_patterns(only, known, f"{where}.only")
    return [one for path, one in known.items() if not only or matches(path, only)]
