"""Low rank: the products, their ranks, what they cost, and where they are declined."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import lissome as ls
from lissome.compression.factorization.candidate import METHODS, candidate
from lissome.compression.factorization.piece import Piece
from lissome.compression.factorization.vbmf import vbmf_rank
from lissome.profiling.latency_table import LayerTimes
from lissome.profiling.layer_kinds import LayerKind

LOW = {"channel": (2,), "spatial": (2,), "tucker": (2, 3), "cp": (2,)}


def _composed(weights):
    """Return the one weight that a chain of convolutions computes, by running it on single pixels."""
    first, *others = weights
    made = first
    for weight in others:
        if weight.shape[1] == 1 and len(weight) == len(made):  # depthwise
            made = torch.einsum("rihw,ruv->rihwuv", made, weight[:, 0])
        else:
            made = torch.einsum("rihw,oruv->oihwuv", made, weight)
        high, wide = made.shape[2] * made.shape[4], made.shape[3] * made.shape[5]
        made = made.permute(0, 1, 2, 4, 3, 5).reshape(*made.shape[:2], high, wide)
    return made


def _of_rank(method, generator):
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    if method == "channel":
        return torch.einsum("or,rihw->oihw", draw(6, 2), draw(2, 5, 3, 3))
    if method == "spatial":
        return torch.einsum("rih,orw->oihw", draw(2, 5, 3), draw(6, 2, 3))
    if method == "tucker":
        return torch.einsum("os,srhw,ri->oihw", draw(6, 3), draw(3, 2, 3, 3), draw(2, 5))
    return torch.einsum("or,ir,hr,wr->oihw", draw(6, 2), draw(5, 2), draw(3, 2), draw(3, 2))


@pytest.mark.parametrize("method", METHODS)
def test_a_weight_of_low_rank_is_its_product(method):
    weight = _of_rank(method, torch.Generator().manual_seed(1))
    found = METHODS[method](weight, None)
    weights = found.weights(LOW[method])
    assert found.loss(LOW[method]) < 1e-3
    torch.testing.assert_close(_composed(weights), weight, atol=0.05 if method == "cp" else 1e-6, rtol=0)
    torch.testing.assert_close(
        (weights[-1].flatten(1) @ found.basis(weights)).view(weight.shape), _composed(weights), atol=1e-9, rtol=0
    )


@pytest.mark.parametrize("method", METHODS)
def test_the_loss_is_the_share_of_the_energy_that_the_product_lacks(method):
    weight = torch.randn(8, 8, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = METHODS[method](weight, None)
    losses = []
    for ranks in found.grid(2):
        lacks = float((_composed(found.weights(ranks)) - weight).square().sum() / weight.square().sum())
        # Turns make Tucker's product nearer than its first bases, by which ranks are compared.
        assert found.loss(ranks) >= lacks - 1e-9
        assert found.loss(ranks) == pytest.approx(lacks, abs=0.05 if method == "tucker" else 1e-9)
        losses.append(lacks)
    if method in ("channel", "spatial"):
        assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("ranks", [(8, 4), (4, 8)])
def test_tucker_leaves_out_the_side_that_keeps_all_channels(ranks):
    weight = torch.randn(8, 8, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = METHODS["tucker"](weight, None)
    weights = found.weights(ranks)
    assert len(weights) == 2
    made = _composed(weights)
    assert float((made - weight).square().sum() / weight.square().sum()) == pytest.approx(found.loss(ranks))
    torch.testing.assert_close((weights[-1].flatten(1) @ found.basis(weights)).view(weight.shape), made)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "settings", [{"stride": 2, "padding": 1}, {"dilation": 2, "padding": (2, 0)}, {"padding": (0, 1), "bias": False}]
)
def test_at_full_rank_the_network_computes_the_same(method, settings):
    torch.manual_seed(0)
    weight = _of_rank(method, torch.Generator().manual_seed(1))
    network = nn.Sequential(nn.Conv2d(5, 6, 3, **settings))
    network[0].weight.data = weight.float()
    images = torch.randn(2, 5, 9, 7)
    step = ls.FactorizeConvs(method=method, ranks=ls.ranks.Energy(share=0.9999), multiple_of=1)
    outcome = step.apply(network, ls.Context(example=images))
    assert outcome.measurements["macs"] < outcome.measurements["macs_before"]
    assert outcome.measurements["macs"] == outcome.measurements["predicted"]
    assert outcome.measurements["macs_before"] == outcome.measurements["predicted_before"]
    torch.testing.assert_close(outcome.model(images), network(images), atol=0.05, rtol=0)
    biases = [one.bias is not None for one in outcome.model[0]]
    assert biases == [False] * (len(biases) - 1) + [settings.get("bias", True)]


def _task():
    generator = np.random.default_rng(0)
    # Pictures of few colours, so that what layers read is of low rank where weights are not.
    images = np.repeat(generator.integers(0, 255, (64, 8, 8, 1)), 3, axis=3).astype(np.uint8)
    return ls.Task.from_arrays(images, np.arange(64) % 2, images, np.arange(64) % 2)


def _network():
    torch.manual_seed(0)
    body = (nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, 32), nn.Linear(32, 2))


@pytest.mark.parametrize("method", METHODS)
def test_with_images_the_outputs_are_nearer_than_without(method):
    network, context = _network(), ls.Context(_task())
    images, _ = next(iter(context.task.train.batches(32)))
    inputs = network[:2](images)
    errors = []
    for count in (0, 64):
        step = ls.FactorizeConvs(
            method=method, ranks=ls.ranks.CostShare(keep=0.6), multiple_of=2, images=count, skip=("0",)
        )
        made = step.apply(network, context).model
        errors.append(float((made[2](inputs) - network[2](inputs)).detach().norm()))
    assert errors[1] < errors[0]


def test_linear_layers_are_split_by_their_outputs_with_images():
    network, context = _network(), ls.Context(_task())
    rows = {}
    for count in (0, 64):
        step = ls.FactorizeLinear(ranks=ls.ranks.CostShare(keep=0.995), multiple_of=4, images=count, skip=("7",))
        outcome = step.apply(network, context)
        rows[count] = outcome.measurements["layers"][0]
        read = nn.Sequential(*outcome.model[:6])(next(iter(context.task.train.batches(64)))[0])
        difference = outcome.model[6](read) - network[6](read)
        rows[count]["seen"] = float(difference.detach().norm() / (network[6](read) - network[6].bias).detach().norm())
    assert rows[64]["seen"] < rows[0]["seen"]
    assert rows[64]["relative_output_error"] == pytest.approx(rows[64]["seen"], rel=0.2)
    assert rows[64]["relative_error"] >= rows[0]["relative_error"]


def test_the_budget_is_met_by_the_layers_that_lose_least():
    torch.manual_seed(0)
    easy, hard = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
    easy.weight.data = torch.einsum("or,rihw->oihw", torch.randn(16, 4), torch.randn(4, 16, 3, 3))
    network = nn.Sequential(hard, nn.ReLU(), easy)
    context = ls.Context(example=torch.zeros(1, 16, 8, 8))
    step = ls.FactorizeConvs(method="channel", ranks=ls.ranks.CostShare(keep=0.75), multiple_of=4)
    outcome = step.apply(network, context)
    assert isinstance(outcome.model[0], nn.Conv2d)
    assert outcome.measurements["macs"] <= 0.75 * outcome.measurements["macs_before"]
    assert [note.layer for note in outcome.declined] == ["0"]
    assert "the network loses less by the others" in outcome.declined[0].reason
    with pytest.raises(ls.SettingError, match=r"keep is 0\.05 and 0\.28 stays at the lowest ranks"):
        ls.FactorizeConvs(method="channel", ranks=ls.ranks.CostShare(keep=0.05), multiple_of=4).apply(network, context)


@pytest.mark.parametrize("method", ["spatial", "channel", "cp"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_few_ranks_are_tried_for_the_cheapest_that_keeps_enough(method, share, monkeypatch):
    layer, kind = nn.Conv2d(24, 24, 3), LayerKind(kernel=(3, 3), size=(8, 8))
    found = candidate("layer", layer, (kind,), method, "macs", multiple_of=1)
    tried, loss = [], found.decomposition.loss
    monkeypatch.setattr(found.decomposition, "loss", lambda ranks: tried.append(ranks) or loss(ranks))
    chosen = ls.ranks.Energy(share=share).choose([found], 1.0, "macs", 1)["layer"]
    assert len(tried) <= np.ceil(np.log2(len(found.options) + 1))
    enough = [one for one in found.options if loss(one.ranks) <= 1 - share]
    assert chosen == enough[0] if enough else "would cost no less" in str(chosen)


def test_what_does_not_pay_is_declined_and_says_why():
    torch.manual_seed(0)
    shared = nn.Conv2d(16, 16, 3, padding=1)
    network = nn.Sequential(
        *(nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 1)),
        *(nn.Conv2d(16, 16, 3, padding=1, padding_mode="reflect"), shared, nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1)),
    )
    network[6].weight = shared.weight
    outcome = ls.FactorizeConvs(method="channel", ranks=ls.ranks.Energy(share=0.99)).apply(
        network, ls.Context(example=torch.zeros(1, 16, 8, 8))
    )
    reasons = {note.layer: note.reason for note in outcome.declined}
    assert list(reasons) == ["0", "3", "4", "6", "1", "2"]
    assert "one group" in reasons["0"] and "one group" in reasons["3"]
    assert "those of another layer" in reasons["4"] and "those of another layer" in reasons["6"]
    assert "keeping 99% of its energy would cost no less" in reasons["1"]
    assert "no rank would cost less" in reasons["2"]
    assert outcome.measurements["params"] == outcome.measurements["params_before"]


def test_a_table_of_times_decides_what_pays(tmp_path):
    torch.manual_seed(0)
    conv = nn.Conv2d(16, 16, 3, padding=1)
    conv.weight.data = torch.einsum("or,rihw->oihw", torch.randn(16, 4), torch.randn(4, 16, 3, 3))
    network, example = nn.Sequential(conv), torch.zeros(1, 16, 8, 8)
    kind, point = LayerKind(kernel=(3, 3), padding=(1, 1), size=(8, 8)), LayerKind(size=(8, 8))
    outcomes = {}
    for name, small in (("quick", 0.02), ("slow", 0.09)):
        path = tmp_path / f"{name}.json"
        cells = {(16, width): small for width in (4, 8, 12)} | {(16, 16): 0.1}
        LayerTimes(
            engine="paper",
            engine_version="1",
            precision="float32",
            machine={},
            networks={},
            kinds={kind: cells, point: {(width, 16): 0.02 for width in (4, 8, 12)}},
        ).write(path)
        step = ls.FactorizeConvs(method="channel", objective=ls.LatencyTable(path=str(path)), multiple_of=4)
        outcomes[name] = step.apply(network, ls.Context(example=example))
    assert outcomes["quick"].measurements["predicted"] == pytest.approx(0.04)
    assert outcomes["quick"].measurements["unit"] == "ms"
    assert outcomes["slow"].model[0].weight.shape == conv.weight.shape
    assert "no rank would cost less" in outcomes["slow"].declined[0].reason


@pytest.mark.parametrize("step", [ls.FactorizeConvs(method=method) for method in METHODS] + [ls.FactorizeLinear()])
def test_pieces_name_every_layer_that_could_be_measured(step):
    network, example = _network(), torch.zeros(1, 3, 8, 8)
    pieces = set(step.pieces(network, (example,)))
    outcome = step.apply(network, ls.Context(example=example))
    for row in outcome.measurements["layers"]:
        for layer in outcome.model.get_submodule(row["layer"]):
            widths = (layer.weight.shape[1], layer.weight.shape[0])
            assert any((one.reads // max(1, one.kind.groups or one.reads), one.makes) == widths for one in pieces)


def test_costs_of_pieces_are_those_of_the_profile():
    for kernel, stride, groups in itertools.product(((3, 3), (3, 1), (1, 1)), ((1, 1), (2, 1)), (1, 0)):
        kind = LayerKind(kernel=kernel, stride=stride, padding=(1, 0), groups=groups, size=(9, 7))
        piece = Piece(kind, 4, 4)
        layer = kind.build(4, 4)
        assert piece.macs == ls.profile(nn.Sequential(layer), (1, 4, 9, 7)).macs
        assert piece.output == layer(torch.zeros(1, 4, 9, 7)).shape[2:]


@pytest.mark.parametrize(("rows", "columns", "rank"), [(30, 80, 4), (80, 30, 4), (50, 50, 1), (40, 90, 0)])
def test_variational_bayes_finds_the_rank_under_noise(rows, columns, rank):
    generator = torch.Generator().manual_seed(rows)
    low = 3 * torch.randn(rows, rank, generator=generator) @ torch.randn(rank, columns, generator=generator)
    noisy = low + torch.randn(rows, columns, generator=generator)
    assert vbmf_rank(torch.linalg.svdvals(noisy), rows, columns) == rank


def test_variational_bayes_is_used_for_tucker_and_refused_for_cp():
    torch.manual_seed(0)
    conv = nn.Conv2d(32, 32, 3, padding=1)
    low = torch.einsum("os,srhw,ri->oihw", torch.randn(32, 5), torch.randn(5, 3, 3, 3), torch.randn(3, 32))
    conv.weight.data = low + 0.1 * torch.randn(32, 32, 3, 3)
    context = ls.Context(example=torch.zeros(1, 32, 8, 8))
    step = ls.FactorizeConvs(method="tucker", ranks=ls.ranks.Vbmf(), multiple_of=1)
    assert step.apply(nn.Sequential(conv), context).measurements["layers"][0]["ranks"] == [3, 5]
    with pytest.raises(ls.SettingError, match="no rank for CP"):
        ls.FactorizeConvs(method="cp", ranks=ls.ranks.Vbmf()).apply(nn.Sequential(conv), context)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ls.FactorizeConvs(method="qr"), "method is 'qr'"),
        (lambda: ls.FactorizeConvs(objective="time"), "objective is 'time'"),
        (lambda: ls.FactorizeLinear(multiple_of=0), "multiple_of is 0"),
        (lambda: ls.FactorizeLinear(images=-1), "images is -1"),
        (lambda: ls.ranks.Energy(share=1.0), "share is 1.0"),
        (lambda: ls.ranks.CostShare(keep=0.0), "keep is 0.0"),
        (lambda: ls.StructureLinear(block=1), "block is 1"),
        (lambda: ls.StructureLinear(structure="random"), "structure is 'random'"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(ls.SettingError, match=message):
        make()


def test_structure_is_declined_where_it_does_not_pay(tmp_path):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))
    context = ls.Context(example=torch.zeros(1, 256))
    outcome = ls.StructureLinear(block=16).apply(network, context)
    assert [note.reason for note in outcome.declined] == [
        "stays as it is: blocks of 16 would take no fewer multiply-adds"
    ]
    whole = ls.StructureLinear(block=16, objective="params").apply(network, context)
    assert not whole.declined and whole.measurements["params"] < outcome.measurements["params"]
    assert outcome.measurements["params"] < outcome.measurements["params_before"] / 5
    assert outcome.measurements["macs"] < outcome.measurements["macs_before"] / 2
    assert "no fewer multiply-adds" in ls.StructureLinear(block=128).apply(network, context).declined[0].reason
    with pytest.raises(ls.SettingError, match="no layer matches 'head'"):
        ls.StructureLinear(skip=("head",)).apply(network, context)


def test_onnxruntime_runs_structured_and_factorized_layers(tmp_path):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(),
        nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 4),
    ).eval()  # fmt: skip
    context = ls.Context(example=torch.randn(4, 3, 12, 12))
    recipe = ls.Recipe(
        ls.FactorizeConvs(method="cp", ranks=ls.ranks.CostShare(keep=0.8)),
        ls.StructureLinear(block=16, structure="toeplitz"),
    )
    outcome = recipe.apply(network, context)
    artifact = ls.export(outcome, tmp_path / "small.lissome", runtimes=["onnxruntime"])
    assert artifact.card.params == outcome.parts[1].measurements["params"]


def test_times_are_measured_on_the_engine_and_decide(tmp_path):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3))
    step = ls.FactorizeConvs(method="spatial", ranks=ls.ranks.Energy(share=0.01), skip=("0",))
    table = ls.measure_factors(
        network, (1, 3, 12, 12), tmp_path / "times.json", [step], bench=ls.LayerBench(seconds=0.02)
    )
    found = table.times()
    assert {str(kind).split(" ")[0] for kind in found.kinds} == {"3x3", "3x1", "1x3"}
    assert all(ms > 0 for cells in found.kinds.values() for ms in cells.values())
    outcome = replace(step, objective=table).apply(network, ls.Context(example=torch.zeros(1, 3, 12, 12)))
    whole = next(cells[16, 16] for kind, cells in found.kinds.items() if kind.kernel == (3, 3) and (16, 16) in cells)
    assert outcome.measurements["unit"] == "ms" and outcome.measurements["predicted_before"] >= whole
    # Whether splitting pays is for the engine to say; the receipt says what it said.
    rows = outcome.measurements["layers"]
    assert all(row["after"] < row["before"] == whole for row in rows)
    assert len(rows) + sum(note.layer == "2" for note in outcome.declined) == 1
