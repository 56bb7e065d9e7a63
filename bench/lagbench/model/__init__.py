"""The trained model around a core: embedders, heads, assembly, decoding, parameter budgets."""
