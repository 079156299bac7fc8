"""One file for each stage of a cell; ``run`` takes the spec and gives what the record holds."""
