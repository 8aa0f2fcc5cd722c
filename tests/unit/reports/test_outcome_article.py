from lissome.core.outcome import Note, Outcome
from lissome.reports.outcome_article import outcome_article


def test_the_lead_counts_steps_and_notes(pruned):
    notes = pruned.outcome.parts[0].notes
    declined = sum(not note.applied for note in notes)
    article = outcome_article(pruned.outcome.to_dict())
    assert article.title == "Recipe"
    assert article.lead.startswith("1 step in ")
    assert article.lead.endswith(f": {len(notes) - declined} changed, {declined} declined.")


def test_a_single_step_is_shown_too(pruned):
    outcome = Outcome(model=pruned.outcome.model, step="Fold", seconds=0.5, notes=(Note("a", "no", applied=False),))
    article = outcome_article(outcome.to_dict())
    assert article.lead == "1 step in 0.5 s: 0 changed, 1 declined."
    assert [section.title for section in article.sections if section.content] == ["What each step did"]
