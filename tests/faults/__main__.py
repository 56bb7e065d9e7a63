"""Kill runs and go on with them; go on with a finished one; give bad inputs of every kind."""

import argparse
import tempfile
from pathlib import Path

from lagbench import registry
from tests.faults.inputs import KINDS, tried
from tests.faults.kills import Attack
from tests.faults.resumption import finish, resumed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    registry.discover()
    with tempfile.TemporaryDirectory(prefix="lagbench faults ü ") as folder:
        if asked.kills:
            Attack(Path(folder), asked.kills, asked.seed).run(tell)
            finish(Path(folder))
            told, seconds, core = resumed(Path(folder))
            tell(f"1,000 trials: {told}; {seconds:.1f} s, {core:.1f} s of a core")
        for kind in KINDS:
            tell(str(tried(kind, asked.inputs // len(KINDS), Path(folder), asked.seed)))


def tell(sentence: str) -> None:
    print(sentence, flush=True)


if __name__ == "__main__":
    main()
