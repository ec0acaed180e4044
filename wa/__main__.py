"""The entry point of the process: `wa`, or `python -m wa`."""

from __future__ import annotations

import gc
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Load the command line and run it; Ctrl-C while it loads is an interruption like any other."""
    gc.disable()  # of what is loaded nothing becomes garbage: looking for it is a tenth of the start
    try:
        from wa.cli import main as cli
    except KeyboardInterrupt:
        sys.exit(130)
    gc.freeze()
    gc.enable()
    cli.main()


if __name__ == "__main__":
    main()
