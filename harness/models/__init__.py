"""One file for each architecture, found by its name: ``load`` gives the network of a checkpoint."""
