"""Training streams, fixed splits, and their display and export."""
