"""From a plan to records: environments, artefacts, processes, runs and comparisons. The parent's side."""
