"""Renders chat templates by transformers itself: JSON by stdin, a list of texts on stdout."""

import json
import sys

from transformers.utils.chat_template_utils import render_jinja_template

asked = json.load(sys.stdin)
said = []
for template in asked["templates"]:
    for tools in (None, asked["tools"]):
        (text,), _ = render_jinja_template(
            [asked["messages"]], tools=tools, chat_template=template, **asked["further"]
        )
        said.append(text)
print(json.dumps(said))
