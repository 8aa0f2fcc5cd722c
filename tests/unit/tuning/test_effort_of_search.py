"""The minutes of a search go to recoveries that train, by how long training really took."""

from types import SimpleNamespace

import pytest
from torch import nn

from lissome.tuning.search import _effort
from lissome.tuning.trials.run_files import RunFiles
from lissome.tuning.trials.search_budget import SearchBudget
from lissome.tuning.trials.trial import Trial


@pytest.fixture
def job():
    task = SimpleNamespace(train=range(40_000), validation=range(2_000))
    space = SimpleNamespace(learning_rate=0.02)
    return SimpleNamespace(budget=SearchBudget(minutes=60, full_epochs=12), task=task, space=space, model=nn.Identity())


def effort_of(job, tmp_path, *, used, number=1, is_last=True, training=20.0, seconds=80.0):
    files = SimpleNamespace(read=RunFiles(tmp_path).read, write=RunFiles(tmp_path).write, seconds=used)
    short = Trial(
        number=number, stage="short", parameters={}, way="", recipe_toml="", seed=0,
        seconds=seconds, training_seconds=training,
    )  # fmt: skip
    return _effort(job, SimpleNamespace(files=files), short, is_last=is_last)


def test_an_epoch_is_foretold_by_the_training_alone(job, tmp_path):
    (tmp_path / "finalists").mkdir()
    # 20 s for 2,048 images and 2,000 that were scored: an epoch of 40,000 takes 318 s, and 60 s go to the rest.
    assert effort_of(job, tmp_path, used=1440).epochs == 6
    assert effort_of(job, tmp_path, used=1440, number=2, is_last=False).epochs == 4, "two thirds, while others wait"
    kept = effort_of(job, tmp_path, used=3599)
    assert kept.epochs == 6, "a resumed search does what it began"


def test_the_epochs_asked_for_are_the_most_and_a_part_of_one_the_least(job, tmp_path):
    (tmp_path / "finalists").mkdir()
    assert effort_of(job, tmp_path, used=0, training=2.0).epochs == 12
    little = effort_of(job, tmp_path, used=3400, number=2, is_last=False)
    assert little.epochs == 1
    assert 2048 <= little.images < 40_000


def test_what_is_not_trained_takes_no_share(job, tmp_path):
    (tmp_path / "finalists").mkdir()
    assert effort_of(job, tmp_path, used=3599, training=0.0).epochs == 12
