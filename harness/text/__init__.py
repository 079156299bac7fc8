"""Text that a person reads: no record, file or label can steer a terminal by it."""
