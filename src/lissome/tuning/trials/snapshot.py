"""What a search has come to, read from its folder while it runs or after."""

import json
from pathlib import Path
from typing import Any

from lissome.core.errors import RunError
from lissome.tuning.trials.facts import sensitivity_in
from lissome.tuning.trials.finalists import front
from lissome.tuning.trials.limit import Limit
from lissome.tuning.trials.run_files import RunFiles
from lissome.tuning.trials.trial import Trial


def state_of(path: Path) -> dict[str, Any]:
    """Return what `SearchResult.to_dict` gives, as far as it is known.

    Args:
        path: The folder of a search.

    Raises:
        RunError: There is none, or a file cannot be read.
    """
    files = RunFiles(path)
    ended = files.read("result.json")
    if ended is not None:
        return dict(ended)
    plan = files.read("plan.json")
    if plan is None:
        raise RunError("holds no search", where=str(path), fix="name the folder of one")
    limit = Limit(**{name: value for name, value in plan["limit"].items() if name != "kind"})
    read = (json.loads(one.read_text(encoding="utf-8")) for one in sorted((path / "trials").glob("*.json")))
    trials = [Trial.from_dict(one) for one in read]
    surveys = sorted(path.glob("survey-*.json"))
    clock = files.read("clock.json") or {"seconds": 0.0}
    return {
        "name": plan["name"],
        "path": str(path),
        "seed": plan["seed"],
        "limit": {name: value for name, value in plan["limit"].items() if name != "kind"},
        "labels": plan["labels"],
        "reproduce": plan["reproduce"],
        "trials": [one.to_dict() for one in trials],
        "finalists": [one.to_dict() for one in files.finalists().values()],
        "front": [one.number for one in front(trials, limit)],
        "survey": json.loads(surveys[0].read_text(encoding="utf-8")) if surveys else {},
        "seconds": clock["seconds"],
        "views": {"sensitivity": sensitivity_in(path)},
    }
