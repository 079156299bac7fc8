"""What all that is published shares: numbers as text, pictures, a run's records by what they are about."""
