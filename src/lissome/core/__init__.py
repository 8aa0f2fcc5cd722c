"""The words everybody uses: Step, Recipe, Outcome, Note, Context, errors, name tables, runs."""
