import os
import threading

import pytest

from lissome.core.errors import SettingError
from lissome.timing.pinned import pinned

needs_affinity = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot bind threads")


@needs_affinity
def test_this_thread_and_its_children_are_bound_and_freed():
    before = os.sched_getaffinity(0)
    inside = []
    with pinned(1) as cpus:
        assert os.sched_getaffinity(0) == set(cpus) == {max(before)}
        child = threading.Thread(target=lambda: inside.append(os.sched_getaffinity(0)))
        child.start()
        child.join()
    assert inside == [{max(before)}]
    assert os.sched_getaffinity(0) == before


@needs_affinity
def test_an_error_frees_it_too():
    before = os.sched_getaffinity(0)
    with pytest.raises(RuntimeError, match="midway"), pinned(1):
        raise RuntimeError("midway")
    assert os.sched_getaffinity(0) == before


@needs_affinity
def test_more_threads_than_cpus_are_refused():
    count = len(os.sched_getaffinity(0))
    with pytest.raises(SettingError, match=f"{count + 1} threads on {count} CPUs"), pinned(count + 1):
        pass


def test_no_thread_is_refused():
    with pytest.raises(SettingError, match="threads is 0"), pinned(0):
        pass


def test_a_system_that_cannot_bind_says_so_by_no_cpus(monkeypatch):
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    with pinned(64) as cpus:
        assert cpus == ()
