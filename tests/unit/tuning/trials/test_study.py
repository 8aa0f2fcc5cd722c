"""What a study proposes, and that it does the same again after a kill."""

import pytest

from lissome.tuning.trials.facts import Facts
from lissome.tuning.trials.moves.remove_blocks import RemoveBlocks
from lissome.tuning.trials.space import Options, SearchSpace
from lissome.tuning.trials.study import Study
from lissome.tuning.trials.trial import Trial

pytest.importorskip("optuna", reason="optuna is not installed")

OPTIONS = Options(
    space=SearchSpace(moves=(RemoveBlocks(),), numbers=("float32", "int8")),
    facts=Facts(blocks=24),
    float_ways=("ort float32",),
    integer_ways=("ort int8",),
)
FIGURES = {"latency_ms": 1.0, "drop": 0.0, "stored_kib": 10.0}
WISHES = [{"blocks": blocks, "numbers": "int8"} for blocks in (10, 12, 14)]


def do_next(study):
    study.put_forward(WISHES)
    with study.next() as asked:
        study.tell(
            Trial(
                number=asked.number,
                stage="short",
                parameters=asked.parameters,
                way="",
                recipe_toml="",
                seed=0,
                figures=FIGURES,
            )
        )
    return asked.parameters


def test_every_second_trial_is_the_first_wish_that_was_never_chosen(tmp_path):
    study = Study(tmp_path, "one", None, OPTIONS, seed=0)
    first = len(OPTIONS.first())
    done = [do_next(study) for _ in range(first + 7)]
    assert done[:first] == list(OPTIONS.first())
    wished = done[first + first % 2 :: 2]
    assert wished[0] == next(one for one in WISHES if one not in done[: first + first % 2])
    assert all(one in done for one in WISHES)
    assert len({tuple(one.items()) for one in done}) == len(done)


def test_a_trial_that_was_left_is_done_before_any_wish(tmp_path):
    study = Study(tmp_path, "one", None, OPTIONS, seed=0)
    for _ in OPTIONS.first():
        do_next(study)
    study.put_forward(WISHES)
    with study.next() as left:  # and is not told: its process was killed
        pass
    again = Study(tmp_path, "one", None, OPTIONS, seed=0)
    again.put_forward(WISHES)
    with again.next() as taken:
        assert taken == left
