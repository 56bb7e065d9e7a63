"""Training a cell: recipe, data, replicas, optimiser, the Lightning module."""
