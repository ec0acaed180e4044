"""A process of a checkout: it makes one object of this benchmark, and calls its methods as asked.

`worker.main()` with the arguments TARGET ("module:function") and ARGS (a JSON object). Each line on stdin is
[method, arguments]; each line on stdout is a result, the first that of the target.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any

_PLAIN = (dict, list, tuple, str, int, float, type(None))


def main() -> None:
    """Run the process until its stdin is closed."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no answer

    def answer(result: Any) -> None:
        answers.write(json.dumps(result if isinstance(result, _PLAIN) else None) + "\n")

    module, _, name = sys.argv[1].partition(":")
    made = getattr(importlib.import_module(module), name)(**json.loads(sys.argv[2]))
    answer(made)
    for line in sys.stdin:
        method, args = json.loads(line)
        answer(getattr(made, method)(**args))
    if hasattr(made, "close"):
        made.close()
