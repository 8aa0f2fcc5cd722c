from pathlib import Path
from typing import ClassVar

import pytest

from lissome.core.errors import BadArtifactError, EngineError
from lissome.runtimes.protocol import Runtime, SessionDescription, first_line


class Fussy(Runtime):
    """Stands for an engine with errors of its own."""

    name: ClassVar[str] = "fussy"
    package: ClassVar[str] = "numpy"
    module: ClassVar[str] = "numpy"
    files: ClassVar[tuple[str, ...]] = ("model.bin",)

    def __init__(self, error=None, lacking=()):
        self.error, self.lacking = error, lacking

    def unsupported(self, folder):
        return self.lacking

    def _open(self, folder, settings):
        raise self.error


@pytest.fixture
def folder(tmp_path):
    Path(tmp_path, "model.bin").write_bytes(b"x")
    return tmp_path


def test_an_engines_own_error_becomes_one_line(folder):
    with pytest.raises(EngineError, match=r"^fussy refuses the network: first$"):
        Fussy(ArithmeticError("first\nsecond")).load(folder)


def test_our_own_errors_pass_as_they_are(folder):
    error = BadArtifactError("mine")
    with pytest.raises(BadArtifactError) as caught:
        Fussy(error).load(folder)
    assert caught.value is error


def test_operators_that_the_engine_lacks_are_named_before_loading(folder):
    with pytest.raises(EngineError, match="fussy has no operator for Fft, Sort"):
        Fussy(lacking=("Fft", "Sort")).load(folder)


def test_one_thread_is_no_plural():
    assert str(SessionDescription("ncnn", "1.0", "float32", 1)) == "ncnn 1.0, float32, 1 thread"
    assert SessionDescription("ncnn", "1.0", "int8", 2).to_dict()["precision"] == "int8"


def test_an_error_without_message_is_named_by_its_kind():
    assert first_line(KeyError()) == "KeyError"
