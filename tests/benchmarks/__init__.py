"""Our own speed beside others', as ratios measured in one run: `nox -s speed`."""
