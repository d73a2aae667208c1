"""vLLM's command line in both directions: settings to arguments, and arguments to their meaning.

The component renders `ServeArguments` and `ServeEnvironment`; the policies read any command line,
ours or foreign, with `effective`. Both live here so that what is written and what is checked
cannot drift. The rules are vLLM's own (`words`, `values`) on top of Python's argparse (`parser`),
over a table of all its flags (`flags`); the serving tests hold them against the real parser.
"""

from components.core.engine_args.effective import (
    MAX_MODEL_LEN_CAP,
    Effective,
    effective,
    max_model_len,
    port,
)
from components.core.engine_args.flags import PINNED_VERSION, Flag, flags, parsers, versions
from components.core.engine_args.serve import ServeArguments, ServeEnvironment, Setting
from components.core.engine_args.values import Reading

__all__ = [
    "MAX_MODEL_LEN_CAP",
    "PINNED_VERSION",
    "Effective",
    "Flag",
    "Reading",
    "ServeArguments",
    "ServeEnvironment",
    "Setting",
    "effective",
    "flags",
    "max_model_len",
    "parsers",
    "port",
    "versions",
]
