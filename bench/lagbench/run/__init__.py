"""Trials, suites, the store of results, and the executors that do the work."""
