import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lissome.compression.clustering.cluster_weights import ClusterWeights
from lissome.compression.clustering.kmeans import cluster
from lissome.compression.sparsity.prune_weights import PruneWeights
from lissome.core.context import Context
from lissome.core.errors import SettingError
from lissome.core.recipe import Recipe
from lissome.exporting.export import export
from lissome.runtimes.artifact import load
from lissome.training.train import Train


def exact(values: list[float], count: int) -> float:
    """The least distortion, by trying every border."""
    ordered = np.sort(np.array(values))
    best = {0: {0: 0.0}}
    for used in range(1, count + 1):
        best[used] = {
            stop: min(
                best[used - 1][start] + float(np.square(ordered[start:stop] - ordered[start:stop].mean()).sum())
                for start in best[used - 1]
                if start < stop
            )
            for stop in range(used, len(ordered) + 1)
        }
    return min(one[len(ordered)] for one in best.values() if len(ordered) in one)


@given(st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=14), st.integers(1, 5))
def test_small_sets_are_clustered_exactly(values, count):
    found = cluster(np.array(values), count, "optimal")
    assert found.distortion == pytest.approx(exact(values, count), abs=1e-6)
    assert np.square(np.array(values) - found.centroids[found.labels]).sum() == pytest.approx(found.distortion)
    assert len(found.centroids) <= count


def test_no_other_beginning_does_better_on_many_weights() -> None:
    for values in (
        np.random.default_rng(0).standard_normal(50_000),
        np.random.default_rng(1).laplace(size=5000),
        np.random.default_rng(2).standard_t(3, 20_000),
    ):
        best = cluster(values, 16, "optimal").distortion
        for initial in ("density", "linear", "kmeans++"):
            other = cluster(values, 16, initial, np.random.default_rng(0))
            assert best <= 1.001 * other.distortion
            assert len(other.centroids) <= 16


def test_of_a_normal_distribution_it_reaches_the_known_bound() -> None:
    values = np.random.default_rng(0).standard_normal(400_000)
    # Max 1960, Quantizing for minimum distortion, table I: 16 levels leave a mean squared error of 0.009497.
    assert cluster(values, 16, "optimal").distortion / len(values) == pytest.approx(0.009497, rel=0.01)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(16, 64, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 3)),
    ).eval()


@pytest.mark.parametrize(("per", "values"), [("layer", 8), ("channel", 8 * 64)])
def test_each_layer_or_channel_has_so_many_values(per, values) -> None:
    outcome = ClusterWeights(bits=3, per=per, skip=("7",)).apply(network(), Context())
    assert len(outcome.model[3].weight.unique()) == values
    assert outcome.measurements["layers"]["3"]["values"] == values
    assert next(str(note) for note in outcome.declined).endswith("skipped")
    assert 0 < outcome.measurements["layers"]["0"]["relative_change"] < 0.2


def test_zeros_stay_and_take_no_cluster() -> None:
    context = Context(example=torch.rand(1, 16, 8, 8))
    sparse = PruneWeights(sparsity=0.8, ends=True).apply(network(), context).model
    shared = ClusterWeights(clusters=5).apply(sparse, context).model
    assert torch.equal(shared[3].weight == 0, sparse[3].weight == 0)
    assert len(shared[3].weight.unique()) == 6


@pytest.mark.parametrize(
    "wrong",
    [
        *({}, {"clusters": 4, "bits": 2}, {"clusters": 1}, {"clusters": 257}, {"bits": 0}, {"bits": 9}, {"bits": 64}),
        {"bits": 2, "per": "group"},
        {"bits": 2, "init": "random"},
        {"bits": 2, "fine_tune": Train(epochs=1, keep_shared=False)},
    ],
)
def test_wrong_settings_are_refused(wrong) -> None:
    with pytest.raises(SettingError, match=r"^ClusterWeights: "):
        ClusterWeights(**wrong)
    with pytest.raises(SettingError, match="no layer matches 'x'"):
        ClusterWeights(bits=2, skip=("x",)).apply(network(), Context())


def test_pruned_and_shared_the_artifact_is_a_fraction_and_the_engine_gets_every_weight(tmp_path) -> None:
    context = Context(example=torch.rand(2, 16, 8, 8))
    recipe = Recipe(PruneWeights(sparsity=0.9, ends=True), ClusterWeights(bits=4))
    outcome = recipe.apply(network(), context)
    artifact = export(outcome, tmp_path / "a.lissome", runtimes=["onnxruntime", "torch"], context=context)
    params = outcome.measurements.get("params") or sum(one.numel() for one in outcome.model.parameters())
    for engine in ("onnxruntime", "torch"):
        assert load(artifact.path).stored_kib(engine) * 8192 / params < 1.6  # bits a weight, structure and all
        assert artifact.size_kib(engine) * 8192 / params > 32
