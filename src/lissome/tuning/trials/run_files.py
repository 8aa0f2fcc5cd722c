"""The folder of a search: its plan, survey, times, finalists and result, each whole or not there."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lissome.core.errors import RunError
from lissome.core.files import write_text
from lissome.tuning.trials.trial import Trial


@dataclass(slots=True)
class RunFiles:
    """Files of a search in its folder.

    Args:
        path: The folder.
    """

    path: Path
    _started: float = field(default_factory=time.time, init=False)
    _before: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        kept = self.read("clock.json")
        self._before = float(kept["seconds"]) if kept else 0.0

    @property
    def seconds(self) -> float:
        """How long the search has worked, earlier runs included."""
        return self._before + time.time() - self._started

    @property
    def began(self) -> float:
        """When it would have begun had it never been interrupted, on the clock of `time.time`."""
        return self._started - self._before

    def keep_clock(self) -> None:
        """Keep how long it has worked."""
        self.write("clock.json", {"seconds": round(self.seconds, 3)})

    def begin(self, plan: Mapping[str, Any]) -> None:
        """Keep the plan, or compare it with the one that is kept.

        Raises:
            RunError: Another search lives here.
        """
        kept = self.read("plan.json")
        if kept is None:
            self.write("plan.json", plan)
            return
        fresh = json.loads(json.dumps(plan))
        other = sorted(name for name in fresh if name != "budget" and fresh[name] != kept.get(name))
        if other:
            raise RunError(
                f"another search lives here: its {', '.join(other)} differs",
                where=str(self.path),
                fix="choose another folder, or remove this one",
            )

    def read(self, name: str) -> Any:
        """Return what a JSON file holds, or None where there is none.

        Raises:
            RunError: It cannot be read.
        """
        path = self.path / name
        if not path.exists():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RunError("is no JSON", where=str(path), fix="remove it; it is made again") from error

    def write(self, name: str, table: Any) -> None:
        """Write a JSON file."""
        write_text(self.path / name, json.dumps(table, indent=1) + "\n")

    def finalists(self) -> dict[int, Trial]:
        """Return the finalists that ended, by their trial's number."""
        files = sorted((self.path / "finalists").glob("*.json"))
        found = (Trial.from_dict(json.loads(one.read_text(encoding="utf-8"))) for one in files)
        return {one.number: one for one in found}

    def keep_finalist(self, trial: Trial) -> None:
        """Keep a finalist that ended."""
        self.write(f"finalists/{trial.number:05}.json", trial.to_dict())
