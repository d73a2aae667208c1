"""`python -m tools.planner`."""

import sys

from tools.planner.command import main

sys.exit(main())
