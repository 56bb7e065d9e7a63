"""Stored examples that several tasks are made from."""
