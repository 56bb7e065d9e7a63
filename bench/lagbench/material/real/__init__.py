"""Real data for tasks: loading and splitting, conversion to examples, and the task base class."""
