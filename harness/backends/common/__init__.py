"""What backends of several frameworks share: oneDNN's log, exported networks, candidates of a tuner."""
