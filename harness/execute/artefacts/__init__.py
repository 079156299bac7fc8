"""From a cell to its artefact: sources, the keys of stages, and the store of what they made."""
