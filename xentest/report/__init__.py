"""Reports of a run, one form a module."""
