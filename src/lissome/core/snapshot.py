"""A whole model, structure and weights, in one safetensors file without pickle.

The traced graph is written as JSON: each layer as its class and constructor settings, each call as the name of a torch
operator. Reading allows torch's own layers, ours, and tensor operators, nothing else, so a hostile file can compute but
cannot reach the machine.
"""

import inspect
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import fx, nn

from lissome.core.errors import BadArtifactError, BadModelError
from lissome.core.files import replacing
from lissome.core.graph_json import (
    decode_argument,
    decode_keywords,
    decode_target,
    encode_argument,
    encode_target,
)
from lissome.core.module_graph import trace
from lissome.core.names import load_attribute

_ALLOWED_LAYERS = ("torch.nn.modules.", "lissome.layers.")
_TOLD_BY = {"bias": "in_proj_bias", "add_bias_kv": "bias_k"}
"""Which tensor of torch's attention tells a setting that it keeps under no name of its own."""


def write_snapshot(model: nn.Module, path: str | os.PathLike[str], metadata: dict[str, Any] | None = None) -> None:
    """Write a model and what goes with it, whole or not at all.

    Args:
        model: A traceable module of torch's layers, ours, and tensor operators.
        path: The .safetensors file.
        metadata: JSON values to keep beside the model.

    Raises:
        TraceError: The model cannot be traced.
        BadModelError: It holds a layer or operator that cannot be written.
    """
    graph = trace(model)
    # Shared tensors (tied weights) are stored once a name; clone breaks the sharing that safetensors refuses.
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    tensors |= {name: tensor.detach().clone() for name, tensor in _constants(graph, tensors).items()}
    text = {"structure": json.dumps(_structure(graph)), "metadata": json.dumps(metadata or {})}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata=text)


def read_snapshot(path: str | os.PathLike[str]) -> tuple[fx.GraphModule, dict[str, Any]]:
    """Read a model back, in evaluation mode, with the metadata that was kept beside it.

    Raises:
        BadArtifactError: The file is corrupt, or names something that is not allowed.
    """
    if not Path(path).is_file():
        raise BadArtifactError("no such file", where=str(path))
    try:
        with safe_open(os.fspath(path), framework="pt") as file:
            text = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        return _model_of(json.loads(text["structure"]), tensors), json.loads(text["metadata"])
    except Exception as error:  # a file that is not ours can fail in every way
        raise BadArtifactError(f"is no snapshot of a model: {error}", where=str(path)) from error


def _constants(graph: fx.GraphModule, known: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return tensors that the forward made itself, which tracing keeps as attributes outside of the state dict."""
    found: dict[str, torch.Tensor] = {}
    for node in graph.graph.nodes:
        if node.op == "get_attr" and node.target not in known:
            found[node.target] = _attribute(graph, node.target)
    return found


def _attribute(root: nn.Module, path: str) -> torch.Tensor:
    owner, _, name = path.rpartition(".")
    tensor: torch.Tensor = getattr(root.get_submodule(owner), name)
    return tensor


def _structure(graph: fx.GraphModule) -> dict[str, Any]:
    nodes = [
        {
            "name": node.name,
            "op": node.op,
            "target": encode_target(node),
            "args": encode_argument(node.args),
            "kwargs": {key: encode_argument(value) for key, value in node.kwargs.items()},
        }
        for node in graph.graph.nodes
    ]
    used = sorted({str(node.target) for node in graph.graph.nodes if node.op == "call_module"})
    attributes = {str(node.target) for node in graph.graph.nodes if node.op == "get_attr"}
    parameters = [name for name in attributes if isinstance(_attribute(graph, name), nn.Parameter)]
    layers = {path: _layer_settings(graph.get_submodule(path), path) for path in used}
    return {
        "name": type(graph).__name__,
        "nodes": nodes,
        "layers": layers,
        "parameters": sorted(parameters),
        "buffers": sorted(attributes - set(parameters)),
    }


def _layer_settings(layer: nn.Module, path: str) -> dict[str, Any]:
    """Read a layer's constructor settings back from its attributes, which torch's layers keep by the same names."""
    cls = type(layer)
    name = f"{cls.__module__}:{cls.__qualname__}"
    settings: dict[str, Any] = {}
    for key in inspect.signature(cls).parameters:
        if key in ("device", "dtype", "args", "kwargs"):
            continue
        if isinstance(layer, nn.MultiheadAttention) and key in _TOLD_BY:
            settings[key] = getattr(layer, _TOLD_BY[key]) is not None
        elif key == "bias" and "bias" in layer._parameters:
            settings[key] = layer.bias is not None
        elif hasattr(layer, key):
            settings[key] = encode_argument(getattr(layer, key))
        else:
            raise BadModelError(f"{cls.__name__} does not keep its setting {key!r}", where=path)
    if not name.startswith(_ALLOWED_LAYERS):
        raise BadModelError(f"a layer of class {name} cannot be written", where=path)
    return {"class": name, "settings": settings}


def _model_of(structure: dict[str, Any], tensors: dict[str, torch.Tensor]) -> fx.GraphModule:
    root = nn.Module()
    paths = {*structure["layers"], *structure["parameters"], *structure["buffers"]}
    for path, entry in structure["layers"].items():
        if not str(entry["class"]).startswith(_ALLOWED_LAYERS):
            raise BadArtifactError(f"the layer class {entry['class']!r} is not allowed", where=path)
        cls = load_attribute(entry["class"])
        if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
            raise BadArtifactError(f"{entry['class']!r} is no layer", where=path)
        settings = {key: decode_argument(value, {}) for key, value in entry["settings"].items()}
        with torch.device("meta"):
            _attach(root, path, cls(**settings))
    for path in structure["parameters"]:
        _attach(root, path, nn.Parameter(tensors[path], requires_grad=tensors[path].is_floating_point()))
    for path in structure["buffers"]:
        _attach(root, path, tensors[path])
    missing, _ = root.load_state_dict(tensors, strict=False, assign=True)
    if missing:
        raise BadArtifactError("a tensor is absent", where=missing[0])
    graph = _graph_of(structure["nodes"], paths)
    module = fx.GraphModule(root, graph, structure["name"])
    module.eval()
    return module


def _graph_of(entries: list[dict[str, Any]], paths: set[str]) -> fx.Graph:
    graph = fx.Graph()
    nodes: dict[str, fx.Node] = {}
    for entry in entries:
        args, kwargs = decode_argument(entry["args"], nodes), decode_keywords(entry["kwargs"], nodes)
        target = decode_target(entry["op"], entry["target"], args, paths)
        nodes[entry["name"]] = graph.create_node(entry["op"], target, args, kwargs, entry["name"])
    return graph


def _attach(root: nn.Module, path: str, value: nn.Module | torch.Tensor) -> None:
    *folders, name = path.split(".")
    owner = root
    for folder in folders:
        if not hasattr(owner, folder):
            owner.add_module(folder, nn.Module())
        owner = owner.get_submodule(folder)
    if isinstance(value, nn.Module):
        owner.add_module(name, value)
    elif isinstance(value, nn.Parameter):
        owner.register_parameter(name, value)
    else:
        owner.register_buffer(name, value)
