"""Two variants measured against each other, and a recorded cell measured again."""
