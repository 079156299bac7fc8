"""Our own searches, by the names of :mod:`harness.tuning.search.registry`."""
