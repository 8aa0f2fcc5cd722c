"""The driver: order, fixed point, judge, receipt."""

import pytest

from lissome.core.errors import SettingError, UnknownNameError
from lissome.core.names import load_attribute
from lissome.graph.engine_facts import ENGINE_FACTS
from lissome.graph.optimize import optimize_model
from lissome.graph.rewrite import Pass
from lissome.graph.table import ON_REQUEST, PASSES


def network(b):
    total = b.node("Add", b.conv("x", 8, 8, 3), b.conv("x", 8, 8, 1))
    return b.model(b.node("Relu", b.node("Identity", b.batch_norm(b.node("Identity", total), 8))))


def test_passes_make_work_for_each_other(build):
    done = optimize_model(network(build()))
    assert (dict(done.after), done.rounds >= 2) == ({"Conv": 1, "Relu": 1}, True)
    fired = {one.name for one in done.passes if one.fired}
    assert {"eliminate_identities", "merge_summed_convs", "fold_batch_norms"} <= fired


def test_a_second_run_finds_nothing(build):
    once = optimize_model(network(build()))
    again = optimize_model(once.model)
    assert sum(one.fired for one in again.passes) == 0
    assert again.model.SerializeToString() == once.model.SerializeToString()


def test_what_the_judge_refuses_is_taken_back_and_said(build):
    seen = []

    def judge(model):
        operators = [node.op_type for node in model.graph.node]
        seen.append(operators)
        return None if operators.count("Conv") == 2 else "it lost a convolution"

    done = optimize_model(network(build()), judge=judge)
    assert dict(done.after) == {"Conv": 2, "Add": 1, "BatchNormalization": 1, "Relu": 1}
    (receipt,) = [one for one in done.passes if one.name == "merge_summed_convs"]
    assert [note.reason for note in receipt.notes] == ["taken back, since it lost a convolution"]
    assert len(seen) >= 2


def test_what_the_judge_likes_is_shown_once(build):
    seen = []
    done = optimize_model(network(build()), judge=lambda model: seen.append(model))
    assert [one.SerializeToString() for one in seen] == [done.model.SerializeToString()]


def test_only_the_named_passes_run(build):
    done = optimize_model(network(build()), passes=["eliminate_identities"])
    assert [one.name for one in done.passes] == ["eliminate_identities"]
    assert done.after["BatchNormalization"] == 1


def test_names_that_do_not_exist_are_refused(build):
    with pytest.raises(UnknownNameError, match="fold_shapes"):
        optimize_model(network(build()), passes=["fold_shape"])
    with pytest.raises(UnknownNameError, match="onnxruntime"):
        optimize_model(network(build()), engine="onnxruntme")
    with pytest.raises(SettingError):
        optimize_model(network(build()), passes=[])


def test_the_receipt_prints_and_becomes_json(build):
    done = optimize_model(network(build()))
    table = done.to_dict()
    assert (table["nodes_before"], table["nodes_after"]) == (7, 2)
    assert table["operators_before"]["Identity"] == 2
    assert "BatchNormalization" in str(done)
    assert "applied Identity" in done.explain()


@pytest.mark.parametrize("name", [*PASSES, *ON_REQUEST])
def test_every_pass_says_what_it_is_for(name):
    one = load_attribute({**PASSES, **ON_REQUEST}[name])()
    assert isinstance(one, Pass)
    assert one.purpose
    assert one.algebra


def test_engines_switch_off_passes_that_exist_with_a_reason():
    for facts in ENGINE_FACTS.values():
        assert set(facts.off) <= set(PASSES)
        assert all(facts.off.values())
