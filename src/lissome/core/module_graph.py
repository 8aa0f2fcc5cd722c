"""A module as a graph of calls (torch.fx), with errors that name the line that cannot be traced."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path

import torch
from torch import fx, nn

from lissome.core.errors import LissomeError, ShapeError, TraceError

EXPORTED = "lissome.exported"
"""In the `meta` of a graph that running the forward gave, since torch.fx could not trace it."""

_LIBRARY = Path(torch.__file__).parent.as_posix()
_OWN = Path(__file__).parent.as_posix()


class LeafModule(nn.Module):
    """A block of ours that stays one node when a network is traced, like torch's own layers."""


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, LeafModule) or super().is_leaf_module(m, module_qualified_name)


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put a model in evaluation mode for the block; afterwards each of its modules has the mode it had.

    Example:
        >>> model = nn.Sequential(nn.Dropout()).train()
        >>> with evaluation_mode(model):
        ...     model[0].training
        False
        >>> model[0].training
        True
    """
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def trace(model: nn.Module, inputs: tuple[torch.Tensor, ...] | None = None) -> fx.GraphModule:
    """Return the module's forward in evaluation mode as a graph that shares its layers and parameters.

    Args:
        model: Any module whose forward does not branch on the values of tensors.
        inputs: Example inputs. With them a forward that torch.fx cannot trace (it loops over a tensor, or computes with
            sizes in Python) is traced by running it, for images of this size.

    Raises:
        TraceError: The forward cannot be traced; names the file and line.

    Example:
        >>> [node.op for node in trace(nn.Sequential(nn.ReLU())).graph.nodes]
        ['placeholder', 'call_module', 'output']
    """
    # A forward may ask for `self.training`; what it answers is written into the graph for good.
    with evaluation_mode(model):
        try:
            graph = trace_graph(model)
        except TraceError as error:
            if inputs is None:
                raise
            return _exported(model, inputs, error)
    return fx.GraphModule(model, graph, type(model).__name__)


def _exported(model: nn.Module, inputs: tuple[torch.Tensor, ...], first: TraceError) -> fx.GraphModule:
    # Loaded here, since torch.export takes half a second and few networks need it.
    from lissome.core.exported_graph import exported_graph

    run_once(model, inputs)
    try:
        graph = exported_graph(model, inputs, _Tracer().is_leaf_module)
    except TraceError as error:
        raise TraceError(error.what, where=error.where or first.where, fix=error.fix or first.fix) from error
    except Exception as error:
        second = _trace_error(error, model)
        # Where running it fails within torch alone, the line that torch.fx stopped at says more.
        raise (second if second.where != type(model).__name__ else first) from error
    graph.meta[EXPORTED] = True
    return graph


def trace_graph(model: nn.Module) -> fx.Graph:
    """Return the calls of a module's forward in the mode the module is in, without making a module of them.

    Raises:
        TraceError: The forward cannot be traced; names the file and line.

    Example:
        >>> len(trace_graph(nn.ReLU().eval()).nodes)
        3
    """
    try:
        return _Tracer().trace(model)
    except Exception as error:
        raise _trace_error(error, model) from error


def _trace_error(error: Exception, model: nn.Module) -> TraceError:
    return TraceError(
        f"cannot be traced: {_first_line(error).partition('. ')[0]}",
        where=_line_of(error, model),
        fix="avoid control flow on tensor values there",
    )


def run_once(model: nn.Module, inputs: tuple[torch.Tensor, ...]) -> object:
    """Run a forward in evaluation mode without gradients, leaving the mode as it was.

    Raises:
        ShapeError: The forward fails on these inputs; names the line.
    """
    try:
        # A traced module that fails writes its source to stderr; the error says it in one line.
        with evaluation_mode(model), torch.no_grad(), redirect_stderr(StringIO()):
            return model(*inputs)
    except LissomeError:
        raise
    except Exception as error:
        shapes = ", ".join("x".join(map(str, one.shape)) for one in inputs)
        raise ShapeError(
            f"the forward fails on input {shapes}: {_first_line(error)}",
            where=_line_of(error, model),
            fix="give the input shape the network takes",
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _line_of(error: Exception, model: nn.Module) -> str:
    """Name the innermost line of the user's code, which is the last one outside of torch and of this room."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if not one.filename.startswith((_LIBRARY, _OWN)) and one.filename != "<string>"]
    if not own:
        return type(model).__name__
    return f"{Path(own[-1].filename).name}:{own[-1].lineno} ({own[-1].line})"
