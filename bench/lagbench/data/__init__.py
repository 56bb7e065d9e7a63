"""Where batches come from, and how people read and export them."""
