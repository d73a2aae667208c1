"""Judge a deployment: `python -m tools.conformance http://127.0.0.1:4000/v1`.

The key comes from OPENAI_API_KEY or the file KEY_FILE. Exit code: 0 where the contract is kept, 1
where a promise is broken, 2 where nothing could be judged.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tools.conformance.check import Outcome, Result
from tools.conformance.expected import chat_model_of, expected_of, read_platform
from tools.conformance.suite import broken, judged
from tools.conformance.target import Expected, Target, asking
from tools.endpoint import Endpoint, endpoint
from tools.problem import ToolError

_WIDTH = 120
_STYLES = {Outcome.PASSED: "green", Outcome.FAILED: "bold red", Outcome.NOT_OFFERED: "yellow"}


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make conformance", description=__doc__)
    parser.add_argument("base_url", nargs="?", default="", help="where the deployment answers")
    parser.add_argument("--model", default="", help="alias of a model that chats")
    parser.add_argument("--embedding-model", default="", help="alias of a model that embeds")
    parser.add_argument("--file", type=Path, help="stack file: its models, lengths and limits")
    parser.add_argument("--alias", action="append", help="the model list has these and no other")
    parser.add_argument("--most-choices", type=int, help="cap on n")
    parser.add_argument("--most-output-tokens", type=int, help="cap on max_tokens")
    parser.add_argument("--most-request-mib", type=float, help="cap on a body, MiB")
    parser.add_argument("--public", action="store_true", help="this is the public address")
    parser.add_argument("--master-key", action="store_true", help="the key is no tenant's")
    parser.add_argument("--key-in-query", action="store_true", help="may stand in access logs")
    parser.add_argument("--require", action="append", default=[], help="a feature that must be")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Judge, print, and return the exit code."""
    given = _arguments(words)
    try:
        with asking() as client:
            target = _target(given, endpoint(given.base_url), client)
            console = Console(width=_WIDTH, highlight=False, stderr=True)
            with console.status("") as status:
                results = judged(target, lambda result: status.update(result.check.name))
    except ToolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    results = tuple(_required(result, given.require) for result in results)
    if given.json:
        print(json.dumps([_plain(result) for result in results], indent=2))
    else:
        _print(results, target)
    return 1 if broken(results) else 0


def _target(given: argparse.Namespace, there: Endpoint, client: httpx.Client) -> Target:
    platform = read_platform(given.file) if given.file else None
    first = chat_model_of(platform) if platform else ""
    model = given.model or first or _first_listed(there, client)
    known = expected_of(platform, model) if platform else Expected()
    said = {
        "aliases": frozenset(given.alias) if given.alias else None,
        "choices": given.most_choices,
        "output_tokens": given.most_output_tokens,
        "request_mib": given.most_request_mib,
    }
    known = replace(known, **{name: value for name, value in said.items() if value is not None})
    return Target(
        there,
        model,
        client,
        known,
        embedding_model=given.embedding_model,
        public=given.public,
        master_key=given.master_key,
        key_in_query=given.key_in_query,
    )


def _first_listed(there: Endpoint, client: httpx.Client) -> str:
    headers = {"Authorization": f"Bearer {there.key}"}
    try:
        answer = client.get(f"{there.root}/v1/models", headers=headers)
        return answer.raise_for_status().json()["data"][0]["id"]
    except (httpx.HTTPError, ValueError, KeyError, IndexError, TypeError) as error:
        raise ToolError(
            f"{there.root}/v1/models gives no model to try ({error}); make smoke "
            f"BASE_URL={there.root} says what to do, and MODEL= names one"
        ) from error


def _required(result: Result, names: Sequence[str]) -> Result:
    wanted = result.check.name in names and result.outcome == Outcome.NOT_OFFERED
    return replace(result, outcome=Outcome.FAILED) if wanted else result


def _plain(result: Result) -> dict[str, object]:
    check = result.check
    return {
        "name": check.name,
        "promise": check.promise,
        "feature": check.feature,
        "outcome": result.outcome.name.lower(),
        "why": result.why,
    }


def _print(results: Sequence[Result], target: Target) -> None:
    table = Table("check", "promise", "outcome", "why")
    for place, result in enumerate(results):
        style = _STYLES[result.outcome]
        table.add_row(
            result.check.name,
            escape(result.check.promise),
            f"[{style}]{result.outcome}[/]",
            escape(result.why),
            end_section=place + 1 < len(results)
            and results[place + 1].check.feature
            and not result.check.feature,
        )
    console = Console(width=_WIDTH, highlight=False)
    console.print(table)
    count = len(broken(results))
    kept = f"{count} promises are broken" if count else "the contract is kept"
    console.print(f"{target.endpoint.root} with {target.model}: {kept}")


if __name__ == "__main__":
    sys.exit(main())
