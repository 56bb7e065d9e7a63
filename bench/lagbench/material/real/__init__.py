"""Real data for tasks: read by `datasets`, parted, cut to length, and turned into tensors once."""
