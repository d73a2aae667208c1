"""JSON Schema of a stack file, for editors: `make schema`.

Save it and name it in the first line of a stack file, then an editor completes and checks keys:
`# yaml-language-server: $schema=.run/stack.schema.json`. What parts of a document must agree on
(a model's pool exists, ceilings cover the sum, a model starts) is beyond a schema; `make plan` and
`make preview` say that.
"""

import json
import sys
from typing import Any

from components.document import ROOT, PlatformSettings


def stack_file_schema() -> dict[str, Any]:
    """The schema of a whole `Pulumi.<stack>.yaml`.

    Other keys below `config` and beside it are Pulumi's own and stay open.
    """
    document = PlatformSettings.model_json_schema()
    definitions = document.pop("$defs")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stack file of the inference platform",
        "type": "object",
        "required": ["config"],
        "properties": {
            "config": {"type": "object", "required": [ROOT], "properties": {ROOT: document}}
        },
        "$defs": definitions,
    }


def main() -> int:
    """Print the schema."""
    print(json.dumps(stack_file_schema(), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
