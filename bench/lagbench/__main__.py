"""`lagbench`, and `python -m bench` where that script is not on the path."""

import gc
import sys

from lagbench.run.executors import forkserver


def main() -> None:
    """Run the command line; where it will train, workers get ready while it is imported."""
    if forkserver.trains(sys.argv[1:]):
        forkserver.start()
    gc.set_threshold(10_000)  # what is imported stays: to look through it often finds nothing
    from lagbench.cli import main as run

    try:
        run()
    finally:
        gc.freeze()  # or all of it would be looked through once more in the end: over a second


if __name__ == "__main__":
    main()
