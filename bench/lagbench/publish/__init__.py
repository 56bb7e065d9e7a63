"""Published results: `results/`, of which every table and picture comes from stored records."""
