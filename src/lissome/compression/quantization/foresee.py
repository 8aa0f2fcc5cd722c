"""Run a folded network on what its values are expected to be: the batch normalisations know, and no image is needed.

Mean, variance and ends of each entry go through the traced graph. What a folded normalisation remembers replaces what
was computed up to there; between them operators that only move entries are executed as they are, on each of the four.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lissome.compression.quantization.spread import Spread
from lissome.layers.fake_quantize import FakeQuantize
from lissome.layers.folded_norm import FoldedNorm, normalized_moments
from lissome.profiling.handlers import is_elementwise, operator_of
from lissome.tracing.calls import call, operator_name

_WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
_CLIPS: Mapping[str, tuple[float, float]] = {"relu": (0.0, torch.inf), "relu_": (0.0, torch.inf), "relu6": (0.0, 6.0)}
_SUMS = ("add", "iadd", "add_")
_DIFFERENCES = ("sub", "isub", "sub_")
_PRODUCTS = ("mul", "imul", "mul_")
_PAIRS = (*_SUMS, *_DIFFERENCES, *_PRODUCTS)
_MOVES = (
    *("identity", "dropout", "dropout2d", "dropout3d", "alpha_dropout", "feature_dropout", "contiguous", "detach"),
    *("view", "reshape", "flatten", "unflatten", "permute", "transpose", "movedim", "unsqueeze", "squeeze", "chunk"),
    *("split", "tensor_split", "unbind", "narrow", "getitem", "cat", "concat", "concatenate", "stack", "select"),
    *("expand", "expand_as", "repeat", "flip", "roll", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "pad"),
    *("index_select", "max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "mean"),
    *("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d", "interpolate"),
    *("adaptive_max_pool2d", "adaptive_max_pool3d", "size", "dim", "getattr"),
)

Visit = Callable[[fx.Node, Spread], None]
"""Called with each node that gives a tensor that depends on the input, in order."""


def foresee(graph: fx.GraphModule, inputs: Sequence[Spread], reach: float, visit: Visit) -> int:
    """Visit what each result of a network is expected to be, before any rounding.

    Args:
        graph: A traced network in evaluation mode; one that rounds is read as if it did not.
        inputs: What its inputs are expected to be.
        reach: Deviations from the mean to the ends of what a normalisation gives.
        visit: What is told.

    Returns:
        How many normalisations, folded or not, told what they give.
    """
    forecast = _Forecast(graph, reach, visit)
    with torch.no_grad():
        forecast.run(*inputs)
    return forecast.told


class _Forecast(fx.Interpreter):
    def __init__(self, graph: fx.GraphModule, reach: float, visit: Visit) -> None:
        super().__init__(graph)
        self._reach, self._visit = reach, visit
        self.told = 0

    def run_node(self, n: fx.Node) -> Any:
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        meets = any(isinstance(one, Spread) for one in _leaves((args, kwargs)))
        result = self._ran(n, args, kwargs) if meets and n.op.startswith("call") else super().run_node(n)
        if isinstance(result, Spread):
            self._visit(n, result)
        return result

    def _ran(self, node: fx.Node, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        layer = self.fetch_attr(str(node.target)) if node.op == "call_module" else None
        if layer is None:
            return _through_operator(partial(_call, node), operator_name(node), args, kwargs)
        known = self._through_layer(layer, args[0]) if isinstance(args[0], Spread) else None
        return known or _through_operator(layer, operator_of(layer), args, kwargs)

    def _through_layer(self, layer: nn.Module, given: Spread) -> Spread | None:
        """Return what comes out of a layer that knows more than its operator does."""
        if isinstance(layer, FoldedNorm | _BatchNorm):
            return self._normalized(layer, given)
        if isinstance(layer, FakeQuantize):
            return given
        if isinstance(layer, _WEIGHTED):
            return _weighted(layer, given, self._reach)
        return given.clipped(layer.min_val, layer.max_val) if isinstance(layer, nn.Hardtanh) else None

    def _normalized(self, norm: FoldedNorm | _BatchNorm, given: Spread) -> Spread:
        if isinstance(norm, _BatchNorm) and norm.running_var is None:
            return Spread.unknown(given.mean)
        self.told += 1
        mean, deviation = (norm.mean, norm.deviation) if isinstance(norm, FoldedNorm) else normalized_moments(norm)
        shape = (1, -1, *[1] * (given.mean.dim() - 2))
        like = torch.zeros_like(given.mean)
        return Spread.normal(mean.reshape(shape) + like, deviation.reshape(shape) + like, self._reach)


def _through_operator(run: Callable[..., Any], operator: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Return what an operator makes of its arguments, by the rule of its kind; without a rule it is not known."""
    first = args[0] if args else None
    if operator in _CLIPS and isinstance(first, Spread):
        return first.clipped(*_CLIPS[operator])
    if operator in _PAIRS and len(args) == 2 and not kwargs:
        return _paired(operator, args[0], args[1])
    if operator in _MOVES:
        return _each(run, args, kwargs)
    others = any(isinstance(one, Spread) for one in _leaves((args[1:], kwargs)))
    if is_elementwise(operator) and isinstance(first, Spread) and not others:
        return first.through(lambda values: run(values, *args[1:], **kwargs))
    return _replaced(run(*_field(args, 0), **_field(kwargs, 0)), Spread.unknown)


def _call(node: fx.Node, *args: Any, **kwargs: Any) -> Any:
    return call(node, args, kwargs)


def _weighted(layer: nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear, given: Spread, reach: float) -> Spread:
    mean = layer_of(layer, layer.weight, given.mean, layer.bias)
    squares = layer.weight.square()
    if not isinstance(layer, nn.Linear):
        # The pixels of a channel move together or do not; whichever varies more is taken, spread over the taps.
        taps = layer.weight.flatten(2)
        most = torch.maximum(taps.square().sum(2), taps.sum(2).square()) / taps.shape[2]
        squares = most.reshape(*most.shape, *[1] * (layer.weight.dim() - 2)).expand_as(layer.weight)
    variance = layer_of(layer, squares, given.variance, None)
    return Spread.normal(mean, variance.sqrt(), reach)


def layer_of(layer: nn.Module, weight: Tensor, inputs: Tensor, bias: Tensor | None) -> Tensor:
    """Return what a convolution or linear layer computes with other weights and another bias.

    Example:
        >>> layer_of(nn.Linear(2, 1), torch.ones(1, 2), torch.ones(1, 2), None)
        tensor([[2.]])
    """
    if isinstance(layer, nn.Linear):
        return nn.functional.linear(inputs, weight, bias)
    assert isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d)
    result: Tensor = layer._conv_forward(inputs, weight, bias)
    return result


def _paired(operator: str, first: Any, second: Any) -> Spread:
    one, other = (
        value if isinstance(value, Spread) else Spread.constant(torch.as_tensor(value)) for value in (first, second)
    )
    if operator in _PRODUCTS:
        return one.times(other)
    return one.plus(other.negated() if operator in _DIFFERENCES else other)


def _each(run: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Run what moves entries on each of the four; constants among them do not vary."""
    results = [run(*_field(args, place), **_field(kwargs, place)) for place in range(4)]
    if isinstance(results[0], Tensor):
        return Spread(*results)
    if isinstance(results[0], tuple | list) and any(isinstance(one, Tensor) for one in results[0]):
        return tuple(Spread(*four) for four in zip(*results, strict=True))
    return results[0]


def _field(value: Any, place: int) -> Any:
    """Return nested arguments with each Spread replaced by one of its four tensors."""
    if isinstance(value, Spread):
        return (value.mean, value.variance, value.low, value.high)[place]
    if isinstance(value, Tensor):
        return torch.zeros_like(value) if place == 1 and value.is_floating_point() else value
    if isinstance(value, dict):
        return {key: _field(one, place) for key, one in value.items()}
    if isinstance(value, tuple | list) and not isinstance(value, torch.Size):
        return type(value)(_field(one, place) for one in value)
    return value


def _replaced(value: Any, change: Callable[[Tensor], Spread]) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    return tuple(_replaced(one, change) for one in value) if isinstance(value, tuple | list) else value


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = tuple(value.values())
    return [leaf for one in value for leaf in _leaves(one)] if isinstance(value, tuple | list) else [value]
