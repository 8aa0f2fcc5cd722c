"""RUNTIMES: every engine by name. Listing them loads none."""

from collections.abc import Mapping

from lissome.core.names import choose, load_attribute
from lissome.runtimes.protocol import Runtime

RUNTIMES: Mapping[str, str] = {
    "onnxruntime": "lissome.runtimes.onnxruntime:OnnxRuntime",
    "ncnn": "lissome.runtimes.ncnn:Ncnn",
    "openvino": "lissome.runtimes.openvino:OpenVino",
    "mnn": "lissome.runtimes.mnn:Mnn",
    "litert": "lissome.runtimes.litert:LiteRt",
    "executorch": "lissome.runtimes.executorch:ExecuTorch",
    "tensorrt": "lissome.runtimes.tensorrt:TensorRt",
    "torch": "lissome.runtimes.torch:Torch",
}
"""Name to "module:class"."""


def get_runtime(name: str) -> Runtime:
    """Return the adapter of an engine, which need not be installed.

    Raises:
        UnknownNameError: No engine has that name; says what was probably meant.

    Example:
        >>> get_runtime("ncnn").files
        ('ncnn/model.param', 'ncnn/model.bin')
    """
    adapter: Runtime = load_attribute(choose(RUNTIMES, name, "runtime"))()
    return adapter
