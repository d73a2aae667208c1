"""The preview renders a chat template as transformers, which the engine calls, renders it."""

import json
import subprocess
from pathlib import Path

import pytest

from components.document.template_trial import FURTHER, TALK, TOOL, compiled, rendered
from tests.serving.processes import clean_environment

pytestmark = pytest.mark.timeout(3600)  # the first test may install vLLM

_SCRIPT = Path(__file__).parent / "engines" / "vllm" / "render_templates.py"
_SECONDS = 120
_WITH_MARKS = """\
{%- if messages | length > 9 %}{{ raise_exception('too many') }}{% endif %}
{%- if tools is not none %}
    {{- tools | tojson(indent=2) }}
    {{- tools | tojson(ensure_ascii=False, separators=(',', ':'), sort_keys=True) }}
{%- endif %}
{{ '<é & ü>' | tojson(ensure_ascii=False) }} {{ '<é & ü>' | tojson(True) }} {{ 'é' | tojson }}
{% set seen = 'outside' %}
{% for message in messages %}
    {%- if loop.index == 1 %}{% continue %}{% endif %}
    {% if message.role == 'assistant' %}
    {% generation %}
    {% set seen = 'inside' %}
    {{ message['content'] + eos_token }}{{ seen }}
    {% endgeneration %}
    {% else %}
    {{ bos_token }}{{ message.content | trim }}{{ seen }}
    {% endif %}
{% endfor %}
{{ seen }}{{ strftime_now('%Y') }}{% if add_generation_prompt %}<|assistant|>{% endif %}
"""
_WITH_ROLES = """\
{% for message in messages %}
    {% if message.role not in ['system', 'user', 'assistant'] %}
        {{ raise_exception('no such role: ' + message.role) }}
    {% endif %}
  <|{{ message.role }}|>
{{ message.content }}<|end|>{{ pad_token }}{{ documents }}
    {% if loop.index0 == 2 %}{% break %}{% endif %}
{% endfor %}
{% for tool in tools or [] %}{{ tool.function | tojson }}{{ tool.type | upper }}{% endfor %}
"""


def test_a_template_is_rendered_as_the_engine_renders_it(vllm_python: Path, tmp_path: Path) -> None:
    """Row C13: with tools and without, to the letter."""
    templates = [_WITH_MARKS, _WITH_ROLES]
    asked = {
        "templates": templates,
        "messages": TALK,
        "tools": [dict(TOOL)],
        "further": dict(FURTHER),
    }
    done = subprocess.run(
        [vllm_python, _SCRIPT],
        input=json.dumps(asked),
        env=clean_environment(tmp_path, {"HF_HUB_OFFLINE": "1"}),
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    ours = [rendered(compiled(each), tool=tool) for each in templates for tool in (False, True)]
    assert json.loads(done.stdout.splitlines()[-1]) == ours
    assert '"<é & ü>" "<\\u00e9 & \\u00fc>" "é"' in ours[0]
    assert "read_clock" in ours[1]
