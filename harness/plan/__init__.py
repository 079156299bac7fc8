"""From a suite and overrides to cells, each excluded one with its reason. Nothing is run here."""
