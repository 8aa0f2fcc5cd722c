import pytest

from lissome.tuning.trials.finalists import BoldestFirst, front, may_recover, verdict, winner_of
from lissome.tuning.trials.limit import Limit
from lissome.tuning.trials.trial import Trial

LIMIT = Limit(max_drop=0.01)


def trial(number, ms, drop, kib=100.0, *, limit=LIMIT, stage="short", failed=False):
    figures = {} if failed else {"latency_ms": ms, "drop": drop, "stored_kib": kib}
    missed = {} if failed else limit.missed(**figures)
    return Trial(
        number=number,
        stage=stage,
        parameters={},
        way="",
        recipe_toml="",
        seed=0,
        figures=figures,
        missed=missed,
        failed=failed,
    )


def test_the_front_holds_what_nothing_else_beats():
    trials = [trial(0, 3, 0.0), trial(1, 2, 0.02), trial(2, 2.5, 0.03), trial(3, 1, 0.1), trial(4, 9, 0, failed=True)]
    assert [one.number for one in front(trials, LIMIT)] == [3, 1, 0]


def test_what_is_too_slow_is_no_candidate_unless_all_are():
    limit = Limit(max_drop=0.01, max_ms=2.0)
    trials = [trial(0, 3, 0.0, limit=limit), trial(1, 1.5, 0.2, limit=limit)]
    assert [one.number for one in front(trials, limit)] == [1]
    assert [one.number for one in front(trials[:1], limit)] == [0]


def recovered(short, times):
    return trial(short.number, short.figures["latency_ms"], short.figures["drop"] / times, stage="full")


@pytest.mark.parametrize("times", [2.0, 3.0, 5.0, 8.0, 20.0, 24.0, 40.0])
def test_the_boldest_that_recovers_is_found_in_few_trainings(times):
    """Whatever part of their drop networks recover: those trained tell, and nobody is trained in vain for long."""
    candidates = [trial(number, 1 + number, 0.09 - 0.01 * number) for number in range(9)]
    order, asked = BoldestFirst(candidates, LIMIT), []
    while (one := order.next()) is not None:
        asked.append(one.number)
        order.tell(one, recovered(one, times))
    keeping = [one.number for one in candidates if one.figures["drop"] / times <= LIMIT.max_drop]
    assert min(number for number in asked if number in keeping) == keeping[0]
    assert len(set(asked)) == len(asked) <= 2


def test_the_first_asked_is_one_that_can_be_hoped_to_recover():
    candidates = [trial(0, 1, 0.3), trial(1, 2, 0.239), trial(2, 3, 0.0)]
    order = BoldestFirst(candidates, LIMIT)
    assert order.next().number == 1
    assert [one.number for one in order.left()] == [1, 2]


def test_where_nobody_can_be_hoped_for_the_calmest_is_tried_and_nobody_bolder():
    candidates = [trial(0, 1, 0.4), trial(1, 2, 0.3)]
    order = BoldestFirst(candidates, LIMIT)
    assert order.next().number == 1
    order.tell(candidates[1], recovered(candidates[1], 4))
    assert order.next() is None


def test_what_lost_too_much_cannot_be_hoped_to_recover():
    lost = {drop: may_recover(trial(1, 1.0, drop), LIMIT) for drop in (0.005, 0.24, 0.241)}
    assert lost == {0.005: True, 0.24: True, 0.241: False}
    assert may_recover(trial(1, 1.0, 0.5), Limit(max_drop=None, max_ms=2.0))
    assert may_recover(trial(1, 1.0, 0.1), LIMIT, recovers=10.0)
    assert not may_recover(trial(1, 1.0, 0.03), LIMIT, recovers=2.0)


def test_without_a_limit_on_the_drop_the_most_accurate_are_trained():
    limit = Limit(max_drop=None, max_ms=5)
    candidates = front([trial(0, 3, 0.2, limit=limit), trial(1, 4, 0.1, limit=limit)], limit)
    order, asked = BoldestFirst(candidates, limit), []
    while (one := order.next()) is not None:
        asked.append(one.number)
        order.tell(one, one)
    assert asked == [1, 0]


def test_the_winner_keeps_all_limits_and_a_full_recovery_counts_instead_of_the_short_one():
    trials = [trial(0, 3, 0.0), trial(1, 1, 0.005), trial(1, 1, 0.02, stage="full"), trial(2, 2, 0.01)]
    assert winner_of(trials, LIMIT).number == 2
    assert winner_of([trial(0, 1, 0, failed=True)], LIMIT) is None


def test_the_nearest_wins_where_no_trial_keeps_the_limits_and_the_verdict_says_which():
    limit = Limit(max_drop=0.01, max_kib=50)
    trials = [trial(0, 3, 0.0, 80, limit=limit), trial(1, 2, 0.05, 40, limit=limit)]
    winner = winner_of(trials, limit)
    assert winner.number == 0
    assert verdict(trials, winner, limit) == (
        "max_kib 50.0 KiB was not met together with the others; here it is 80.0 KiB (trial 0)"
    )
    alone = verdict(trials[:1], winner, limit)
    assert alone == "max_kib 50.0 KiB was met by nothing that was tried; the nearest is 80.0 KiB (trial 0)"
