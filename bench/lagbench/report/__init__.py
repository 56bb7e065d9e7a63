"""The results of a run: tables, charts, sentences and pages, all derived from its records."""
