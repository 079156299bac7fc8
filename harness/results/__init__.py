"""The folder of results: runs, hosts and environments as files; written whole, read with suspicion."""
