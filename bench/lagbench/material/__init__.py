"""Sampling, pictures, vocabularies and data sets that several tasks share."""
