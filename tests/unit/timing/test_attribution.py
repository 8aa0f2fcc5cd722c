import numpy as np

from lissome.runtimes.layer_clock import EngineLayer
from lissome.timing.attribution import Match, attribute, match_names, match_values
from lissome.timing.source_graph import Call

# conv1 → bn1 → relu1 → conv2 → bn2 → add(bn2, relu1) → relu2
RESIDUAL = [
    Call("conv1", "Conv2d", ()),
    Call("bn1", "BatchNorm2d", (0,)),
    Call("relu1", "ReLU", (1,)),
    Call("conv2", "Conv2d", (2,)),
    Call("bn2", "BatchNorm2d", (3,)),
    Call("add", "add", (4, 2)),
    Call("relu2", "ReLU", (5,)),
]


def test_a_convolution_that_bears_an_activations_name_ends_there():
    layers = [EngineLayer("/call_2/Relu_output_0_nchwc", "Conv"), EngineLayer("/call_3/Conv_output_0_nchwc", "Conv")]
    found = match_names(layers, RESIDUAL)
    assert found == [Match(0, 2, is_last=True), Match(1, 3, is_last=False)]
    # The sum and the activation behind it are in the later convolution: only it had both of the sum's inputs.
    assert attribute(found, RESIDUAL) == {0: 0, 1: 0, 2: 0, 3: 1, 4: 1, 5: 1, 6: 1}


def test_no_layer_claims_two_convolutions():
    found = [Match(0, 6, is_last=True)]
    owners = attribute(found, [*RESIDUAL[:3], RESIDUAL[3], *RESIDUAL[4:]])
    assert {owners[number] for number in (3, 4, 5, 6)} == {0}


def test_a_name_without_a_number_is_the_engines_own():
    assert match_names([EngineLayer("ReorderOutput_token_4", "ReorderOutput")], RESIDUAL) == []
    assert match_names([EngineLayer("/recall_2/Relu", "Relu")], RESIDUAL) == []
    assert match_names([EngineLayer("/call_99/Relu", "Relu")], RESIDUAL) == []


def test_padding_belongs_to_what_reads_it():
    calls = [Call("conv1", "Conv2d", ()), Call("pad", "ZeroPad2d", (0,)), Call("conv2", "Conv2d", (1,))]
    owners = attribute([Match(0, 0, is_last=False), Match(1, 2, is_last=False)], calls)
    assert owners == {0: 0, 1: 1, 2: 1}


def test_what_comes_before_the_first_layer_belongs_to_it():
    calls = [Call("view", "reshape", ()), Call("fc", "Linear", (0,))]
    assert attribute([Match(0, 1, is_last=False)], calls) == {0: 0, 1: 0}


def _values(seed, *shapes):
    generator = np.random.default_rng(seed)
    return [generator.standard_normal(shape).astype(np.float32) for shape in shapes]


def test_values_tell_layers_apart_whatever_their_shape():
    first, second = _values(0, (1, 4, 2, 2), (1, 4, 2, 2))
    layers = [EngineLayer("a", "Convolution"), EngineLayer("b", "Convolution")]
    calls = [Call("one", "Conv2d", ()), Call("two", "Conv2d", (0,))]
    values = [first.reshape(4, 4) * (1 + 1e-5), second[0]]
    found = match_values(layers, values, {0: first, 1: second}, calls)
    assert [(one.layer, one.call) for one in found] == [(0, 0), (1, 1)]


def test_a_copy_stands_for_nothing():
    (value,) = _values(0, (4,))
    layers = [EngineLayer("s", "Split"), EngineLayer("c", "Convolution")]
    found = match_values(layers, [value, value], {0: value}, [Call("one", "Conv2d", ())])
    assert found == [Match(1, 0, is_last=True)]


def test_a_normalisation_with_a_layer_of_its_own_keeps_it():
    (value,) = _values(0, (4,))
    layers = [EngineLayer("c", "Convolution"), EngineLayer("b", "BatchNorm")]
    calls = [Call("conv", "Conv2d", ()), Call("bn", "BatchNorm2d", (0,))]
    found = match_values(layers, [value, value], {0: value, 1: value}, calls)
    assert [(one.layer, one.call) for one in found] == [(0, 0), (1, 1)]


def test_other_values_match_nothing():
    ours, theirs = _values(0, (4,), (4,))
    assert match_values([EngineLayer("a", "ReLU")], [ours], {0: theirs}, [Call("r", "ReLU", ())]) == []


def test_integers_stored_upside_down_are_known_by_what_they_mean():
    """ncnn's int8 files hold 127 - q behind a ReLU (`exporting/symmetric_integers.py`)."""
    generator = np.random.default_rng(0)
    stored = np.clip(generator.normal(size=400) * 60, 0, 254).round().astype(np.float32)
    chain = [Call("conv", "Conv2d", ()), Call("relu", "ReLU", (0,))]
    made = {0: generator.normal(size=400).astype(np.float32), 1: stored * np.float32(0.02)}
    layers = [EngineLayer("a", "Convolution")]
    assert match_values(layers, [127 - stored], made, chain, are_rounded=True) == [Match(0, 1, is_last=True)]
    assert match_values(layers, [127 - stored * np.float32(0.51)], made, chain, are_rounded=True) == []
