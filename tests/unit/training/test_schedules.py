import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissome.training.schedules import DECAYS, Schedule, learning_rate_factor


@given(schedule=st.sampled_from(sorted(DECAYS)), progress=st.floats(0, 1), warm_up=st.none() | st.floats(0, 0.99))
def test_the_factor_is_a_share_of_the_peak(schedule: Schedule, progress: float, warm_up: float | None) -> None:
    assert 0 <= learning_rate_factor(schedule, progress, warm_up) <= 1


@pytest.mark.parametrize(
    ("schedule", "progress", "factor"),
    [
        ("cosine", 0.025, 0.5),
        ("cosine", 0.05, 1.0),
        ("cosine", 0.525, 0.5),
        ("cosine", 1.0, 0.0),
        ("one_cycle", 0.15, 0.5),
        ("one_cycle", 0.3, 1.0),
        ("one_cycle", 0.65, 0.5),
        ("one_cycle", 1.0, 0.0),
        ("constant", 0.025, 0.5),
        ("constant", 1.0, 1.0),
    ],
)
def test_values(schedule: Schedule, progress: float, factor: float) -> None:
    assert learning_rate_factor(schedule, progress) == pytest.approx(factor)


def test_no_warm_up_starts_at_the_peak() -> None:
    assert [learning_rate_factor(schedule, 0.0, 0.0) for schedule in DECAYS] == [1.0, 1.0, 1.0]
