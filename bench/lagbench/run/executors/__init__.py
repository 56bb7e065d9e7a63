"""Executors: this process and worker processes of this machine, or a Ray cluster."""
