"""Statistics on plain numbers: no file, no record, no framework."""
