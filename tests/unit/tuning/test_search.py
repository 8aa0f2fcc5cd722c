import json
import sys
from dataclasses import replace

import pytest
import torch

from lissome.core.context import Context
from lissome.core.errors import EngineMissingError, RunError, SettingError, UnknownNameError
from lissome.core.progress import Silent
from lissome.core.run_directory import RunDirectory
from lissome.exporting.export import export
from lissome.runtimes.artifact import load
from lissome.tables import recipe_from_toml
from lissome.timing.device import ThisMachine
from lissome.timing.remote import Remote
from lissome.tuning.search import search
from lissome.tuning.search_result import SearchResult
from lissome.tuning.search_run import SearchRun
from lissome.tuning.trials.examiner import hash_of_files
from lissome.tuning.trials.limit import Limit
from lissome.tuning.trials.search_budget import SearchBudget

pytest.importorskip("optuna", reason="optuna is not installed")


@pytest.fixture(scope="module")
def whole(tmp_path_factory, trained, pictures, quick, run_of):
    """A search that was not interrupted, and its folder."""
    path = tmp_path_factory.mktemp("whole")
    return search(trained, pictures, limit=Limit(max_drop=0.1), seed=3, run=run_of(path), **quick)


def summary(result):
    """What must be the same again: everything but how long it took."""
    table = result.to_dict()
    rows = [
        {k: v for k, v in one.items() if k not in ("started", "seconds", "training_seconds", "worker")}
        for one in table["trials"]
    ]
    return rows, table["winner"]["number"], table["winner"]["artifact_sha256"], table["winner"]["recipe_toml"]


def test_the_winner_keeps_the_limits_and_was_measured_on_the_engine(whole, pictures):
    assert len(whole.trials) == 6
    assert whole.winner.missed == {}
    assert whole.verdict.startswith("all limits are kept")
    keeping = [one for one in (*whole.trials, *whole.finalists) if not one.failed and not one.missed]
    assert whole.winner.figures["latency_ms"] == min(one.figures["latency_ms"] for one in keeping)
    assert whole.comparison["test_images"] == len(pictures.test)
    assert whole.is_reproduced
    artifact = load(whole.path / "best.lissome")
    assert artifact.card.tuning.engine == "onnxruntime"
    assert artifact.card.measurements["compressed"]["accuracy"]["onnxruntime"] == whole.final["accuracy"]
    assert f"{whole.final['accuracy']:.2%}" in str(whole)


def test_every_trial_keeps_recipe_seed_figures_and_hash(whole):
    for one in whole.trials:
        assert recipe_from_toml(one.recipe_toml) is not None
        assert one.seed == 3
        if not one.failed:
            assert set(one.figures) >= {"accuracy", "drop", "latency_ms", "speedup", "stored_kib", "params", "macs"}
            assert len(one.artifact_sha256) == 64
        assert json.loads((whole.path / f"trials/{one.number:05}.json").read_text()) == json.loads(
            json.dumps(one.to_dict())
        )


def test_structure_and_numbers_are_tried(whole):
    tried = [dict(one.parameters) for one in whole.trials]
    assert {one["numbers"] for one in tried} == {"float32", "int8"}
    assert any(one["blocks"] for one in tried)
    assert any(one.get("channels", 1.0) < 1 for one in tried)
    assert all("channels" not in one for one in tried if one["groups"])
    cut = next(one for one in whole.trials if one.parameters["blocks"])
    assert cut.recipe_toml.count("PruneBlocks") == cut.parameters["blocks"]
    single = next(one for one in whole.trials if one.parameters["groups"])
    assert "keep_of" in single.recipe_toml
    assert sum(width for _, width in single.widths) < sum(width for _, width in whole.trials[0].widths)
    assert all(width % 8 == 0 for _, width in single.widths[:-1])
    split = next(one for one in whole.trials if one.parameters["factors"] != "whole")
    assert split.failed or len(split.widths) > len(whole.trials[0].widths)
    assert len(cut.widths) == len(whole.trials[0].widths) - 2 * cut.parameters["blocks"]


def test_the_winner_is_reproduced_from_its_recipe_to_the_same_bytes(whole, trained, pictures, tmp_path):
    recipe = recipe_from_toml((whole.path / "best.toml").read_text())
    with RunDirectory(tmp_path / "again") as memory:
        context = Context(pictures, seed=3, original=trained, memory=memory)
        artifact = export(
            recipe.apply(trained, context), tmp_path / "again.lissome", runtimes=["onnxruntime"], context=context
        )
    assert hash_of_files(artifact, "onnxruntime") == whole.winner.artifact_sha256


class Names:
    """Keeps the names of the curves that it is given."""

    def __init__(self, place="", found=None):
        self.place, self.found = place, found if found is not None else []

    def within(self, part):
        return Names(f"{self.place}{part}/", self.found)

    def add(self, figures, epoch):
        self.found += [f"{self.place}{name}" for name in figures]


def test_the_same_seed_gives_the_same_winner(whole, trained, pictures, quick, run_of, tmp_path):
    names = Names()
    run = run_of(tmp_path, times=whole.path, curves=names)
    again = search(trained, pictures, limit=Limit(max_drop=0.1), seed=3, run=run, **quick)
    assert summary(again) == summary(whole)
    trained_trials = {int(name.split("_")[1]) for name in names.found if name.endswith("_Train/loss")}
    assert trained_trials
    assert trained_trials <= {one.number for one in again.trials if 'kind = "Train"' in one.recipe_toml}
    assert all(name.startswith("trial_") for name in names.found)


class Killer(Silent):
    """Ends the search after so many lines of progress, as a kill would."""

    def __init__(self, lines):
        self.lines = lines

    def say(self, message):
        self.lines -= 1
        if self.lines < 0:
            raise KeyboardInterrupt


def test_a_search_that_is_killed_again_and_again_ends_as_if_it_was_not(
    whole, trained, pictures, quick, run_of, tmp_path
):
    result, kills = None, 0
    for lines in (3, 5, 8, 6, 11, 2, 9, 7, 4, 10, 10_000):
        try:
            run = run_of(tmp_path, times=whole.path, progress=Killer(lines))
            result = search(trained, pictures, limit=Limit(max_drop=0.1), seed=3, run=run, **quick)
            break
        except KeyboardInterrupt:
            kills += 1
    assert kills >= 5
    assert summary(result) == summary(whole)


def test_a_search_that_has_ended_gives_its_result_again(whole, trained, pictures, quick, run_of):
    again = search(trained, pictures, limit=Limit(max_drop=0.1), seed=3, run=run_of(whole.path), **quick)
    assert isinstance(again, SearchResult)
    assert json.dumps(again.to_dict()) == json.dumps(whole.to_dict())


def test_another_search_in_the_same_folder_is_refused(whole, trained, pictures, quick, run_of):
    with pytest.raises(RunError, match="its limit differs"):
        search(trained, pictures, limit=Limit(max_drop=0.2), seed=3, run=run_of(whole.path), **quick)


def test_a_limit_that_cannot_be_met_is_named_with_the_nearest(whole, trained, pictures, quick, run_of, tmp_path):
    limit = Limit(max_drop=0.1, max_ms=1e-6, max_kib=1000)
    result = search(trained, pictures, limit=limit, seed=3, run=run_of(tmp_path, times=whole.path), **quick)
    assert set(result.winner.missed) == {"max_ms"}
    nearest = min(one.figures["latency_ms"] for one in result.trials if not one.failed)
    assert result.verdict.startswith("max_ms 0.000 ms was met by nothing that was tried; the nearest is")
    assert f"{nearest:.3f} ms" in result.verdict
    assert all("not trained" in one.reason for one in result.trials if one.parameters["blocks"])


def test_minutes_that_the_preparation_used_up_leave_what_needs_no_training(
    whole, trained, pictures, quick, run_of, tmp_path
):
    budget = SearchBudget(minutes=1e-6, images=20, seconds=0.05)
    run = run_of(tmp_path, times=whole.path)
    result = search(trained, pictures, limit=Limit(max_drop=0.1), run=run, **{**quick, "budget": budget})
    assert [one.parameters["numbers"] for one in result.trials] == ["float32", "int8"]
    assert result.verdict.startswith("all limits are kept")


def test_without_labels_the_metric_is_the_agreement_and_nothing_is_cut(trained, pictures, quick, run_of, tmp_path):
    space = replace(quick["space"], moves=())
    run = run_of(tmp_path, labels="original")
    result = search(trained, pictures, run=run, **{**quick, "space": space})
    assert len(result.trials) == 2  # everything there is: float32 and int8
    plain = next(one for one in result.trials if one.parameters == {"numbers": "float32"})
    assert plain.figures["accuracy"] == 1.0
    assert "agreement with the original" in str(result)


def test_every_time_comes_from_the_device(trained, pictures, quick, run_of, stand_in, tmp_path, monkeypatch):
    def refuse(*_):
        raise AssertionError("timed here")

    monkeypatch.setattr(ThisMachine, "time", refuse)
    device = Remote(url="ssh://there", python=sys.executable, ssh=stand_in)
    space = replace(quick["space"], moves=())
    result = search(trained, pictures, device=device, run=run_of(tmp_path), **{**quick, "space": space})
    assert len(result.trials) == 2
    assert not any(one.failed for one in result.trials)
    assert result.final["latency_ms"] > 0
    assert result.comparison["machine"] == result.survey["machine"]
    with pytest.raises(RunError, match="its device differs"):
        search(trained, pictures, run=run_of(tmp_path), **{**quick, "space": space})


def test_two_workers_share_one_study(whole, trained, pictures, quick, run_of, tmp_path):
    run = run_of(tmp_path, times=whole.path, workers=2)
    result = search(trained, pictures, limit=Limit(max_drop=0.1), seed=3, run=run, **quick)
    assert 6 <= len(result.trials) <= 7
    assert len({tuple(one.parameters.items()) for one in result.trials}) == len(result.trials)
    assert result.winner.missed == {}


def test_a_task_that_no_process_can_be_handed_is_refused(whole, trained, pictures, quick, run_of, tmp_path):
    task = replace(pictures, metric=lambda output, labels: (output.argmax(1) == labels).float())
    with pytest.raises(SettingError, match="cannot be handed to another process"):
        search(trained, task, seed=3, run=run_of(tmp_path, workers=2), **quick)


def test_the_network_is_left_as_it_was(whole, trained, pictures):
    images, labels = next(iter(pictures.test.batches(32)))
    with torch.no_grad():
        assert float((trained.eval()(images).argmax(1) == labels).float().mean()) > 0.8


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"on": ("nccn",)}, UnknownNameError, "did you mean 'ncnn'"),
        ({"on": ("tensorrt",)}, EngineMissingError, "pip install"),
        ({"on": ()}, SettingError, "no runtime is named"),
    ],
)
def test_engines_that_cannot_be_used_are_refused_before_any_work(
    settings, error, message, trained, pictures, quick, tmp_path
):
    with pytest.raises(error, match=message):
        search(trained, pictures, **{**quick, **settings}, run=SearchRun(path=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("settings", [{"workers": 0}, {"threads": 0}, {"labels": "none"}])
def test_runs_out_of_range_are_refused(settings):
    with pytest.raises(SettingError):
        SearchRun(**settings)
