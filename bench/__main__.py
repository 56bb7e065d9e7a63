"""`lagbench`, and `python -m bench` where that script is not on the path."""

import sys

from bench.run.executors import nursery


def main() -> None:
    """Run the command line; where it will train, workers get ready while it is imported."""
    if nursery.trains(sys.argv[1:]):
        nursery.start()
    from bench.cli import main as run

    run()


if __name__ == "__main__":
    main()
