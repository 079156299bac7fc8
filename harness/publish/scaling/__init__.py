"""How cells scale over threads, cores and instances."""
