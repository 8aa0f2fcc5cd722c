"""A local cluster of two workers."""

import os
import socket
import sys
import time
from pathlib import Path

import pytest

from lissome.core.errors import LissomeError, RunError, SettingError
from lissome.tuning.search import search
from lissome.tuning.search_run import SearchRun
from lissome.tuning.trials.limit import Limit
from lissome.tuning.trials.ray_cluster import beside_on_ray
from lissome.tuning.trials.worker import Worker

needs_ray = pytest.mark.filterwarnings("ignore")  # Ray's own; those of ours are errors in all other tests


@pytest.fixture(scope="module")
def ray():
    """A cluster with room for two tasks, or a reason to skip."""
    ray = pytest.importorskip("ray", reason="ray is not installed")
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield ray
    ray.shutdown()


@needs_ray
def test_two_workers_run_at_the_same_time_in_processes_of_their_own(ray, tmp_path):
    def meet(mine, others):
        Path(mine).write_text("here")
        deadline = time.monotonic() + 60
        while not Path(others).exists():
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(0.05)

    one, other = str(tmp_path / "one"), str(tmp_path / "other")
    with beside_on_ray(meet, [(one, other), (other, one)], "auto"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "other"]


@needs_ray
def test_what_a_worker_says_is_told(ray):
    def refuse():
        raise SettingError("the rate is 0", where="Train")

    with pytest.raises(RunError, match="a worker failed: Train: the rate is 0"), beside_on_ray(refuse, [()], "auto"):
        pass


@pytest.fixture
def patient(monkeypatch):
    """The worker of this process begins when another one, on the cluster, has done a trial."""
    begin = Worker.work

    def work(self):
        deadline = time.monotonic() + 240
        while not self.study.trials() and time.monotonic() < deadline:
            time.sleep(0.2)
        begin(self)

    monkeypatch.setattr(Worker, "work", work)


@needs_ray
@pytest.mark.usefixtures("patient")
def test_a_search_runs_over_the_cluster(ray, trained, pictures, quick, run_of, tmp_path):
    run = run_of(tmp_path, workers=3, ray="auto")
    result = search(trained, pictures, limit=Limit(max_drop=0.1), seed=3, run=run, **quick)
    assert 6 <= len(result.trials) <= 8
    assert len({one.number for one in result.trials}) == len(result.trials)
    assert result.is_reproduced
    here = f"{socket.gethostname()}:{os.getpid()}"
    assert {one.worker for one in result.trials} - {here}, "no worker of the cluster did a trial"


def test_without_ray_it_is_refused(monkeypatch, trained, pictures, quick, run_of, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(LissomeError, match=r'Ray is not installed; pip install "lissome\[ray\]"'):
        search(trained, pictures, run=run_of(tmp_path, workers=2, ray="auto"), **quick)


def test_one_worker_needs_no_cluster():
    with pytest.raises(SettingError, match="one worker needs no cluster"):
        SearchRun(ray="auto")
