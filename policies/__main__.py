"""Starts the policy pack; its constructor serves until the process ends."""

import sys
from pathlib import Path

# A pack is started with its own folder on the path; it shares `components.core` with the program.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from pulumi_policy import PolicyPack  # noqa: E402 - the path has to be set first

from policies.pack import POLICIES  # noqa: E402 - the path has to be set first

PolicyPack("inference-platform", list(POLICIES))
