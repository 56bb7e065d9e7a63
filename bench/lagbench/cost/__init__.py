"""What a model costs: speed, memory, operations, and their growth in the length."""
