"""The tuner: criterion, trials, history and objective; searches stand in :mod:`harness.tuning.search`."""
