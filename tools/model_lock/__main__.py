"""`python -m tools.model_lock`."""

import sys

from tools.model_lock.command import main

sys.exit(main())
