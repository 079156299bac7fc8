"""What a record is: its types (`kinds`), how it is made and read, and what must hold within and between records.

May import `harness.config`, `harness.errors`, `harness.metrics` and `harness.text`.
"""
