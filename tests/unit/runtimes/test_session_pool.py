import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from lissome.core.context import Context
from lissome.core.errors import SettingError
from lissome.exporting.export import export
from lissome.runtimes.session_pool import SessionPool


class Slow:
    """A session that notices when two callers are in it."""

    def __init__(self, together):
        self.inside, self.together, self.most = 0, together, 0

    def run(self, *images):
        self.inside += 1
        assert self.inside == 1
        self.together.wait(timeout=20)
        self.inside -= 1
        return images

    def describe(self):
        return "slow"


def test_as_many_callers_run_at_once_as_there_are_sessions_and_each_has_its_own():
    together = threading.Barrier(3)  # opens when three callers run at the same time, and not before
    pool = SessionPool([Slow(together) for _ in range(3)])
    with ThreadPoolExecutor(6) as callers:
        results = list(callers.map(lambda number: pool.run(number)[0], range(12)))
    assert results == list(range(12))
    assert (len(pool), pool.describe()) == (3, "slow")


def test_a_session_that_fails_is_free_again():
    class Broken:
        def run(self, *images):
            raise ValueError("broken")

        def describe(self):
            return None

    pool = SessionPool([Broken()])
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            pool.run()


def test_an_artifact_gives_a_pool(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    artifact = export(model, tmp_path / "a.lissome", context=Context(example=torch.randn(2, 3, 8, 8)))
    pool, alone = artifact.pool(2, "ncnn"), artifact.session("ncnn")
    images = np.random.default_rng(0).standard_normal((8, 1, 3, 8, 8)).astype(np.float32)
    with ThreadPoolExecutor(4) as callers:
        together = list(callers.map(lambda one: pool.run(one)[0], images))
    assert all(np.array_equal(one, alone.run(image)[0]) for one, image in zip(together, images, strict=True))
    with pytest.raises(SettingError, match="sessions is 0"):
        artifact.pool(0)
