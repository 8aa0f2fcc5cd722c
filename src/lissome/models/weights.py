"""Load trained weights into a network: by name, or by order and shape where names differ; or say what did not fit."""

import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from lissome.core.errors import WeightsError
from lissome.models.keras_weights import read_keras

# What training programs call the weights inside a checkpoint.
WRAPPERS = ("state_dict", "model_state_dict", "model")
PARALLEL_PREFIX = "module."
# A counter of batches: it changes nothing in eval mode, and many files leave it out.
COUNTER = "num_batches_tracked"
KERAS = (".h5", ".hdf5")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedWeights:
    """The receipt of `load_weights`.

    Args:
        by_name: Names that file and model share.
        by_order: (name in the file, name in the model) of tensors matched by position.
        ignored: Names in the file that the model has no place for.
    """

    by_name: tuple[str, ...] = ()
    by_order: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()

    def __str__(self) -> str:
        ignored = f"; ignored: {', '.join(self.ignored)}" if self.ignored else ""
        return f"{len(self.by_name)} tensors by name, {len(self.by_order)} by order{ignored}"

    def to_dict(self) -> dict[str, Any]:
        """Return the receipt as what JSON can hold."""
        return {
            "by_name": list(self.by_name),
            "by_order": [list(pair) for pair in self.by_order],
            "ignored": list(self.ignored),
        }


def load_weights(model: nn.Module, source: str | os.PathLike[str] | Mapping[str, Any]) -> LoadedWeights:
    """Copy trained weights into a model; nothing is copied unless everything fits.

    Names are tried first: every parameter and buffer of the model must be in the file with the same shape; further
    tensors of the file are ignored, and the receipt lists them. Where names differ, both sides are read in order and
    must have the same shapes one by one. A .safetensors file keeps no order, so its names must match.

    Args:
        model: Receives the weights, in place.
        source: A .safetensors file; a Keras .h5 file, which needs h5py; a torch state_dict file (.pt, .pth, .th), also
            inside a checkpoint ({"state_dict": …}) or saved by DataParallel ("module." before each name); or such a
            mapping.

    Returns:
        What was matched by name, what by order, what was ignored.

    Raises:
        WeightsError: The file cannot be read, holds other things than tensors, holds NaN or infinity, or does not fit.

    Example:
        >>> source = {"a.weight": torch.ones(2, 3), "a.bias": torch.zeros(2)}
        >>> print(load_weights(nn.Linear(3, 2), source))
        0 tensors by name, 2 by order
    """
    if not isinstance(source, Mapping) and Path(source).suffix in KERAS:
        return _load_keras(model, Path(source))
    if isinstance(source, Mapping):
        content, where, ordered = source, None, True
    else:
        path = Path(source)
        content, where, ordered = _read(path), path.name, path.suffix != ".safetensors"
    theirs = _tensors(content, where)
    ours = {name: tensor for name, tensor in model.state_dict().items() if not name.endswith(COUNTER)}
    _check_finite(theirs, where)
    wrong = _name_problems(ours, theirs)
    if not wrong:
        pairs = [(name, name) for name in ours]
    elif ordered and _fits_by_order(ours, theirs):
        pairs = list(zip(theirs, ours, strict=True))
    else:
        raise WeightsError(
            wrong if ours.keys() & theirs.keys() or not ordered else _order_problem(ours, theirs),
            where=where,
            fix="build the network with the settings the weights were trained with",
        )
    model.load_state_dict({our_name: theirs[name] for name, our_name in pairs}, strict=False)
    if wrong:
        return LoadedWeights(by_order=tuple(pairs))
    return LoadedWeights(by_name=tuple(ours), ignored=tuple(name for name in theirs if name not in ours))


def _load_keras(model: nn.Module, path: Path) -> LoadedWeights:
    _require_file(path)
    found = read_keras(path, model)
    receipt = load_weights(model, {name: tensor for name, (_, tensor) in found.items()})
    if receipt.ignored:
        raise WeightsError(
            f"the model has no place for {_list([found[name][0] for name in receipt.ignored])}",
            where=path.name,
            fix="build the network with the settings the weights were trained with",
        )
    return LoadedWeights(by_order=tuple((found[name][0], name) for name in receipt.by_name))


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise WeightsError("there is no such file", where=str(path), fix="give the path of the weights")


def _read(path: Path) -> Any:
    _require_file(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        # torch's own text ends in advice to switch the protection off; ours does not repeat it.
        raise WeightsError(
            "the file is damaged, or holds more than tensors",
            where=path.name,
            fix="save model.state_dict() with torch.save, or a .safetensors file",
        ) from error


def _tensors(content: Any, where: str | None) -> dict[str, Tensor]:
    for wrapper in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
            break
    strangers = (
        [str(name) for name, value in content.items() if not isinstance(value, Tensor)]
        if isinstance(content, Mapping)
        else [type(content).__name__]
    )
    if strangers:
        raise WeightsError(
            f"not a mapping of names to tensors; it holds {_list(strangers)}",
            where=where,
            fix="save model.state_dict()",
        )
    parallel = all(name.startswith(PARALLEL_PREFIX) for name in content)
    names = {name: name.removeprefix(PARALLEL_PREFIX) if parallel else name for name in content}
    return {names[name]: tensor for name, tensor in content.items() if not name.endswith(COUNTER)}


def _check_finite(theirs: Mapping[str, Tensor], where: str | None) -> None:
    for name, tensor in theirs.items():
        bad = int((~torch.isfinite(tensor)).sum())
        if bad:
            raise WeightsError(
                f"tensor {name!r} has {bad} of {tensor.numel()} values NaN or infinite",
                where=where,
                fix="take an earlier checkpoint; this training diverged",
            )


def _name_problems(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> str:
    missing = [name for name in ours if name not in theirs]
    shapes = [
        f"{name} (model {tuple(tensor.shape)}, file {tuple(theirs[name].shape)})"
        for name, tensor in ours.items()
        if name in theirs and theirs[name].shape != tensor.shape
    ]
    unexpected = [name for name in theirs if name not in ours]
    problems = []
    if missing:
        problems.append(f"not in the file: {_list(missing)}")
    if shapes:
        problems.append(f"other shape: {_list(shapes)}")
    if problems and unexpected:
        problems.append(f"only in the file: {_list(unexpected)}")
    return "; ".join(problems)


def _fits_by_order(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> bool:
    if [tensor.shape for tensor in ours.values()] != [tensor.shape for tensor in theirs.values()]:
        return False
    # A name that both sides know must not end up elsewhere: then the order is not the same.
    shared = ours.keys() & theirs.keys()
    return all(name == our_name for name, our_name in zip(theirs, ours, strict=True) if {name, our_name} & shared)


def _order_problem(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> str:
    for position, ((our_name, our), (name, tensor)) in enumerate(zip(ours.items(), theirs.items(), strict=False)):
        if our.shape != tensor.shape:
            return (
                f"no name matches, and by order tensor {position} differs: model {our_name} {tuple(our.shape)}, "
                f"file {name} {tuple(tensor.shape)}"
            )
    longer = list(ours if len(ours) > len(theirs) else theirs)[min(len(ours), len(theirs)) :]
    side = "model" if len(ours) > len(theirs) else "file"
    return f"no name matches, and by order the {side} has {len(longer)} tensors more: {_list(longer)}"


def _list(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
