"""From evidence to a word: changes, floors, trends, budgets, verdicts."""
