"""What a run comes to: tables, charts, sentences and pages, all derived from its records alone."""
