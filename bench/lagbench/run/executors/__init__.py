"""Executors, a file each: this process, worker processes of this machine, a Ray cluster."""
