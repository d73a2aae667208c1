"""What a stack's document would change in the gateway's teams and keys: `make gateway-diff`.

    python -m tools.gateway_state --stack production [--base-url URL] [--key-file FILE] [--json]

It asks the gateway's admin API with the master key, from LITELLM_MASTER_KEY or from a file, and
changes nothing. Secrets are not looked into: a key that its Secret lacks is found inside the
cluster only. The output holds no key and can be posted. Ends with 0 where nothing would change, 2
where something would, 1 where the question could not be answered.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from components.document import DocumentError, read_document
from components.document.tenant_state import wanted_state
from components.programs.gateway_admin import Admin, redacted
from components.programs.gateway_plan import make_plan
from components.programs.gateway_state import ADMINISTRATOR, as_json, look, table
from components.programs.gateway_wanted import Plan, StateError, Wanted, read_wanted
from tools.embedded_stack import stack_document
from tools.endpoint import root_of
from tools.problem import ToolError

CHECKOUT = Path(__file__).resolve().parents[1]
_PORT_FORWARDED = "http://127.0.0.1:4000"
_ANSWER_SECONDS = 5


def planned(wanted: Wanted, admin: Admin) -> Plan:
    """What a run inside the cluster would change, as far as the gateway alone can tell.

    Raises:
        StateError: The gateway does not answer, or not to this key.
    """
    try:
        admin.wait(_ANSWER_SECONDS)
    except StateError as error:
        raise StateError(
            f"{error}; from your desk, first run kubectl -n <namespace> port-forward "
            "service/<gateway> 4000, or name where it answers with --base-url"
        ) from None
    return make_plan(wanted, look(wanted, admin, None), datetime.now(UTC))


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the document, ask the gateway, print the plan.

    Returns:
        The exit code.
    """
    options = _options(arguments)
    try:
        document = stack_document(options.project, options.stack)["config"]
        wanted = read_wanted(
            wanted_state(read_document(document.get("inference:platform")).gateway)
        )
        plan = planned(
            wanted, Admin(root_of(options.base_url, "--base-url"), _administrator(options.key_file))
        )
    except (DocumentError, StateError, ToolError) as error:
        print(f"error: {redacted(str(error))}", file=sys.stderr)
        return 1
    print(as_json(plan) if options.json else table(plan))
    return 2 if plan.changes else 0


def _administrator(key_file: Path | None) -> str:
    """The master key, from a file or the environment; a command line is seen by others."""
    if key_file is None:
        found = os.environ.get(ADMINISTRATOR, "")
        where = f"the variable {ADMINISTRATOR}"
    else:
        where = str(key_file)
        try:
            found = key_file.read_text(encoding="utf-8")
        except OSError as error:
            raise ToolError(f"{where} cannot be read: {error.strerror}") from None
    if not found.strip():
        raise ToolError(
            f"{where} holds no key: set {ADMINISTRATOR} to the gateway's master key, or name a "
            "file that holds it with --key-file"
        )
    return found.strip()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.gateway_state", description="What would change in the gateway."
    )
    parser.add_argument("--stack", required=True, help="Pulumi.<stack>.yaml")
    parser.add_argument("--base-url", default=_PORT_FORWARDED, help="address of the gateway")
    parser.add_argument("--key-file", type=Path, help="file with the master key")
    parser.add_argument("--json", action="store_true", help="the plan as JSON")
    parser.add_argument("--project", type=Path, default=CHECKOUT, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
