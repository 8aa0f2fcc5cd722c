"""What a step or recipe did."""

from collections.abc import Mapping
from typing import Any

from lissome.reports.elements import Article
from lissome.reports.figures import at, count, number_at, seconds
from lissome.reports.step_receipts import step_sections, steps_of


def outcome_article(outcome: Mapping[str, Any]) -> Article:
    """Return the article of an outcome's dict."""
    steps = list(steps_of(outcome))
    notes = [note for one in steps for note in at(one, "notes") or ()]
    declined = sum(not note.get("applied", True) for note in notes)
    done = f"{count(len(steps))} step{'' if len(steps) == 1 else 's'} in {seconds(number_at(outcome, 'seconds'))}"
    lead = f"{done}: {count(len(notes) - declined)} changed, {count(declined)} declined."
    return Article(title=str(outcome["step"]), lead=lead, sections=step_sections(outcome))
