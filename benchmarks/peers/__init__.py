"""tfkit against its peers, in turns, on one machine: see `__main__.py`."""
