"""`python -m components.core.sizing`: JSON lines on standard input, and on standard output."""

import sys

from components.core.sizing.lines import answer_lines

try:
    for text in answer_lines(sys.stdin):
        print(text, flush=True)
except (BrokenPipeError, KeyboardInterrupt):
    sys.exit(1)
