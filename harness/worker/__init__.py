"""The child: one fresh process a stage, started by ``python -m harness.worker``."""
