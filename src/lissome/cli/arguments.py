"""What a user names on the command line: a model, data, a function in a file of theirs."""

import importlib.util
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lissome.core.context import Context
from lissome.core.errors import BadDataError, BadModelError, LissomeError, SettingError, WeightsError
from lissome.core.names import choose
from lissome.core.progress import Progress
from lissome.core.seeded import seeded
from lissome.core.step import require_finite
from lissome.data import sample
from lissome.data.task import Task
from lissome.models.catalog import CATALOG
from lissome.models.create import create
from lissome.models.weights import load_weights


def find_model(name: str, weights: Path | None, classes: int | None = None) -> nn.Module:
    """Build a catalog network or call a user's function, and load weights into it.

    Args:
        name: A catalog name or path/to/file.py:function.
        weights: A weights file, or None.
        classes: Number of classes for a catalog network, or None.

    Raises:
        UnknownNameError: No catalog network has that name.
        BadModelError: The file or function does not give a module; weights are not finite.
        WeightsError: The weights do not fit; says which.
    """
    if ".py:" in name:
        if classes is not None:
            raise SettingError("is for catalog networks", where="--classes", fix=f"let {name} make that many")
        model = _call(name, BadModelError)
    else:
        model = create(name, classes=classes, seed=0)
    if not isinstance(model, nn.Module):
        raise BadModelError(f"gives a {type(model).__name__}", where=name, fix="return a torch.nn.Module")
    if weights is not None:
        ignored = load_weights(model, weights).ignored
        if ignored:  # a deeper network's weights hold all names of a shallower one's, and would be used silently
            raise WeightsError(
                f"{len(ignored)} tensors have no place in {name}, the first is {ignored[0]}",
                where=str(weights),
                fix="give the weights of this network",
            )
    require_finite(model)
    return model.eval()


def find_input(name: str, shape: tuple[int, ...] | None) -> tuple[int, ...]:
    """Return the input shape: the one given, or that of the catalog network.

    Args:
        name: What the user named as the model.
        shape: What the user gave, or None.

    Raises:
        SettingError: Nothing is given, and the network is the user's own.
        UnknownNameError: No catalog network has that name.
    """
    if shape is not None:
        return shape
    if ".py:" in name:
        raise SettingError("the input shape is not known", where=name, fix="add --input 1x3x224x224")
    return (1, *choose(CATALOG, name, "model").input)


def find_task(data: str, shape: tuple[int, ...] | None, seed: int) -> Task:
    """Find the data a user names.

    Args:
        data: sample, cifar10, a folder, an .npz file, or path/to/file.py:function.
        shape: Input (N, C, H, W) for folders and .npz files, or None.
        seed: Decides what is held out for validation.

    Raises:
        BadDataError: They cannot be read, or are not enough.
    """
    size = (shape[1], shape[2], shape[3]) if shape else None
    if data == "sample":
        return sample().task
    if data == "cifar10":
        return Task.from_cifar10(seed=seed)
    if ".py:" in data:
        task = _call(data, BadDataError)
        if not isinstance(task, Task):
            raise BadDataError(f"gives a {type(task).__name__}", where=data, fix="return a lissome.Task")
        return task
    if data.endswith(".npz"):
        return Task.from_npz(data, input=size, seed=seed)
    if not Path(data).exists():
        raise BadDataError("no such file or folder", where=data, fix="give sample, cifar10, a folder or an .npz file")
    if size is None:
        raise SettingError("pictures in a folder need a size", where="--input", fix="add --input 1x3x96x96")
    return Task.from_folder(data, input=size, seed=seed)


def context_of(model: str, data: str | None, shape: tuple[int, ...] | None, seed: int, progress: Progress) -> Context:
    """Return the context of a network: the data that were named, else an example of its input shape.

    Args:
        model: What the network was called.
        data: What the data were called, or None.
        shape: Input (N, C, H, W), or None for the catalog's.
        seed: Whence all randomness comes.
        progress: Who watches.

    Raises:
        SettingError: There is neither data nor a shape, and the network is not of the catalog.
    """
    if data is not None:
        task = find_task(data, shape, seed)
        for remark in task.remarks:
            progress.say(remark)
        return Context(task, seed=seed, progress=progress)
    entry = CATALOG.get(model)
    if shape is None and entry is None:
        raise SettingError("the input shape is not known", where=model, fix="add --input 1x3x224x224 or --data")
    example = torch.zeros(shape or (1, *entry.input))  # type: ignore[union-attr]
    return Context(example=example, seed=seed, progress=progress)


def find_plugins(name: str) -> dict[str, Callable[..., Any]]:
    """Return what a function in a user's file gives: functions by the layer or operator that they stand for.

    Raises:
        SettingError: There is no such file or function, it fails, or gives something else.
    """
    found = _call(name, SettingError)
    if not isinstance(found, dict) or not found or not all(map(callable, found.values())):
        raise SettingError(
            f"gives {type(found).__name__}, no functions by name", where=name, fix='return {"operator": function}'
        )
    return found


def _call(name: str, kind: type[LissomeError]) -> Any:
    """Call a function in a user's file; what goes wrong there is told by its own line."""
    path, _, function = name.rpartition(":")
    if not Path(path).is_file():
        raise kind("no such file", where=path, fix="write path/to/file.py:function")
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    if spec is None or spec.loader is None:
        raise kind("is no Python file", where=path)
    module = importlib.util.module_from_spec(spec)
    try:
        # Random start weights must be the same at each start: a run is resumed only with the model it began with.
        with seeded(0):
            spec.loader.exec_module(module)
            made = getattr(module, function, None)
            result = made() if callable(made) else None
    except LissomeError:
        raise
    except Exception as error:
        frames = [
            one
            for one in traceback.extract_tb(error.__traceback__)
            if Path(one.filename).resolve() == Path(path).resolve()
        ]
        line = f"{path}:{frames[-1].lineno}" if frames else path
        raise kind(f"fails: {type(error).__name__}: {error}", where=line) from error
    if not callable(made):
        raise kind(f"has no function {function!r}", where=path, fix="write path/to/file.py:function")
    return result
