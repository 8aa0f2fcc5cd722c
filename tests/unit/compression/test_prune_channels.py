"""Which channels go: scores by hand, local and global, rounding, what is skipped and what the receipt says."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from lissome.compression.pruning.prune_channels import PruneChannels
from lissome.compression.pruning.rounding import rounded_units
from lissome.compression.pruning.scores import L1, L2, BatchNormScale, Random, Score
from lissome.core.context import Context
from lissome.core.errors import SettingError, WeightsError
from lissome.models.create import create
from lissome.tracing.groups import groups_of
from lissome.tracing.propagate import propagate

CONTEXT = Context(example=torch.zeros(1, 3, 8, 8))


def network() -> nn.Sequential:
    torch.manual_seed(0)
    first, second = nn.Conv2d(3, 4, 1, bias=False), nn.Conv2d(4, 6, 1, bias=False)
    norms = nn.BatchNorm2d(4), nn.BatchNorm2d(6)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([1.0, -4.0, 2.0, 3.0]).view(4, 1, 1, 1).expand(4, 3, 1, 1))
        norms[0].weight.copy_(torch.tensor([0.4, 0.1, -0.3, 0.2]))
        norms[1].weight.copy_(torch.tensor([0.05, 0.06, 0.07, 1.0, 2.0, 3.0]))
    return nn.Sequential(first, norms[0], nn.ReLU(), second, norms[1], nn.ReLU(), nn.Conv2d(6, 2, 1)).eval()


def test_scores_by_hand() -> None:
    model = network()
    groups, _ = groups_of(propagate(model, CONTEXT.example_inputs()))
    group = next(one for one in groups if one.name == "0")

    def score_of(score: Score) -> Tensor:
        return score.of([group], model, CONTEXT)[0]

    expected = torch.tensor([1.0, 4.0, 2.0, 3.0]) / 2.5
    assert torch.allclose(score_of(L1()), expected)
    assert torch.allclose(score_of(L2()), expected)
    assert torch.allclose(score_of(BatchNormScale()), torch.tensor([0.4, 0.1, 0.3, 0.2]))
    drawn = score_of(Random())
    assert drawn.shape == (4,)
    assert torch.equal(drawn, score_of(Random()))
    assert not torch.equal(drawn, Random().of([group], model, replace(CONTEXT, seed=1))[0])


def test_the_least_worthy_go() -> None:
    outcome = PruneChannels(keep=0.5, score=L1(), multiple_of=1, skip=("3",)).apply(network(), CONTEXT)
    assert outcome.model[0].weight[:, 0, 0, 0].tolist() == [-4.0, 3.0]
    assert outcome.model[1].num_features == outcome.model[3].in_channels == 2
    assert outcome.model[3].out_channels == 6


def test_one_threshold_for_the_whole_network() -> None:
    outcome = PruneChannels(keep=0.7, multiple_of=1, scope="global").apply(network(), CONTEXT)
    # Of ten scales the seven largest stay: 3, 2, 1, 0.4, 0.3, 0.2 and 0.1.
    assert (outcome.model[0].out_channels, outcome.model[3].out_channels) == (4, 3)


def test_a_score_that_is_silent_leaves_the_group_whole() -> None:
    model = nn.Sequential(nn.Conv2d(3, 16, 1), nn.Conv2d(16, 2, 1))
    outcome = PruneChannels(keep=0.5, score=BatchNormScale()).apply(model, CONTEXT)
    assert outcome.model[0].out_channels == 16
    assert any(one.layer == "0" and "silent" in one.reason for one in outcome.declined)


def test_outputs_stay_and_are_named() -> None:
    outcome = PruneChannels(keep=0.25, score=Random(), multiple_of=1).apply(network(), CONTEXT)
    assert outcome.model[6].out_channels == 2
    assert any(one.layer == "6" and "output" in one.reason for one in outcome.declined)


def test_receipts_count() -> None:
    outcome = PruneChannels(keep=0.5, score=L1(), multiple_of=16).apply(
        create("resnet20", seed=0), Context(example=torch.zeros(1, 3, 32, 32))
    )
    figures = outcome.measurements
    assert figures["params_before"] == 269722
    assert figures["params"] == sum(one.numel() for one in outcome.model.parameters())
    assert figures["macs"] < figures["macs_before"]
    assert outcome.model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    widths = {one.out_channels for one in outcome.model.modules() if isinstance(one, nn.Conv2d)}
    assert all(width % 16 == 0 for width in widths)


def test_a_pattern_that_matches_nothing_is_refused() -> None:
    with pytest.raises(SettingError, match=r"skip: no layer .* 'layer9\.\*'"):
        PruneChannels(skip=("layer9.*",)).apply(network(), CONTEXT)
    with pytest.raises(SettingError, match=r"keep_of: no layer .* 'layer9\.\*'"):
        PruneChannels(keep_of={"layer9.*": 0.5}).apply(network(), CONTEXT)


def test_a_fraction_for_some_layers() -> None:
    step = PruneChannels(keep=0.5, score=L1(), multiple_of=1, keep_of={"3": 1 / 3, "*": 0.75})
    outcome = step.apply(network(), CONTEXT)
    assert (outcome.model[0].out_channels, outcome.model[3].out_channels) == (3, 2)
    # Of the other group alone the global threshold is made: half of four.
    outcome = replace(step, scope="global", keep_of={"3": 1 / 3}).apply(network(), CONTEXT)
    assert (outcome.model[0].out_channels, outcome.model[3].out_channels) == (2, 2)


@pytest.mark.parametrize(("least", "widths"), [(1, (1, 1)), (3, (3, 3)), (0.5, (2, 3)), (0.6, (3, 4)), (100, (4, 6))])
def test_what_stays_in_any_case(least: float, widths: tuple[int, int]) -> None:
    outcome = PruneChannels(keep=0.01, score=L1(), multiple_of=1, keep_at_least=least).apply(network(), CONTEXT)
    assert (outcome.model[0].out_channels, outcome.model[3].out_channels) == widths


def test_the_receipt_has_a_row_a_group() -> None:
    outcome = PruneChannels(keep=0.5, score=L1(), multiple_of=1, skip=("3",)).apply(network(), CONTEXT)
    first, second = outcome.measurements["groups"]
    assert first == {
        **{"group": "0", "kept": 2, "removed": 2},
        **{"produces": ["0"], "scales": ["1"], "consumes": ["3"]},
    }
    assert (second["group"], second["kept"], second["removed"]) == ("3", 6, 0)
    assert any(one.layer == "3" and one.reason == "all 6 channels stay: skipped" for one in outcome.declined)


OUT_OF_RANGE: list[dict[str, object]] = [
    *({"keep": 0}, {"keep": 1.1}, {"multiple_of": 0}, {"scope": "all"}, {"reconstruct": -1}, {"selection": "all"}),
    *({"keep_at_least": 0}, {"keep_at_least": 1.0}, {"keep_at_least": -0.1}),
    *({"keep_of": {"0": 0}}, {"keep_of": {"0": 1.5}}),
]


@pytest.mark.parametrize("settings", OUT_OF_RANGE)
def test_settings_out_of_range(settings: dict[str, object]) -> None:
    with pytest.raises(SettingError, match=next(iter(settings))):
        PruneChannels(**settings)  # type: ignore[arg-type]


def test_weights_that_are_not_finite_are_refused() -> None:
    model = network()
    model[3].weight.data[0] = torch.inf
    with pytest.raises(WeightsError, match=r"3\.weight"):
        PruneChannels().apply(model, CONTEXT)


@given(st.floats(0, 100), st.integers(1, 100), st.integers(1, 8), st.integers(1, 32))
def test_rounding_gives_a_multiple_or_everything(wanted: float, units: int, a_unit: int, multiple: int) -> None:
    count = rounded_units(wanted, units, a_unit, multiple)
    assert 1 <= count <= units
    assert count == units or count * a_unit % multiple == 0
