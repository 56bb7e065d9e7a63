"""What to run, as plain data: suites, cells, recipes, budgets, and how pairs are run."""
