import subprocess
import sys

import pytest

from lissome.core.errors import UnknownNameError
from lissome.runtimes.table import RUNTIMES, get_runtime


def test_an_unknown_engine_is_refused_with_what_was_meant():
    with pytest.raises(UnknownNameError, match="did you mean 'onnxruntime'"):
        get_runtime("onnx-runtime")


@pytest.mark.parametrize("name", sorted(set(RUNTIMES) - {"torch"}))
def test_asking_about_an_engine_loads_no_engine(name):
    program = (
        "import sys; from lissome.runtimes.table import get_runtime\n"
        f"one = get_runtime({name!r}); assert not one.available() or one.version()\n"
        "engines = {'onnxruntime', 'ncnn', 'pnnx', 'torch', 'openvino', 'MNN', 'ai_edge_litert', 'executorch'}\n"
        "assert not engines & set(sys.modules), 'an engine was loaded'"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
