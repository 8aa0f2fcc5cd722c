import pytest
import torch
from torch import nn

from lissome.core.errors import SettingError
from lissome.layers.fake_quantize import FakeQuantize
from lissome.training import precision
from lissome.training.precision import has_fast_bfloat16, resolve_precision

QUANTIZED = nn.Sequential(FakeQuantize(0.1, 0))


@pytest.mark.parametrize(
    ("capabilities", "fast"),
    [
        ({"amx_bf16": True}, True),
        ({"avx512_bf16": True, "amx_bf16": False}, True),
        ({"avx512_f": True}, False),
        ({}, False),
    ],
)
def test_auto_follows_the_cpu(monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], fast: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert has_fast_bfloat16() is fast
    assert resolve_precision("auto", nn.ReLU()) is (torch.bfloat16 if fast else torch.float32)


def test_a_quantized_network_trains_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_fast_bfloat16", lambda: True)
    assert resolve_precision("auto", QUANTIZED) is torch.float32
    with pytest.raises(SettingError, match="blurs the rounding"):
        resolve_precision("bfloat16", QUANTIZED)


def test_what_is_asked_for_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_fast_bfloat16", lambda: False)
    assert resolve_precision("bfloat16", nn.ReLU()) is torch.bfloat16
    assert resolve_precision("float32", nn.ReLU()) is torch.float32
