"""A chat template of one's own: tried on a short talk, kept in a ConfigMap, named to the engine."""

import ast
import hashlib
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from components.core.engine_args import effective
from components.document import ROOT, DocumentError, chat_template, read_document
from tests.rendering import Rendered, of_kind, render
from tests.unit.components.manifests import one
from tests.unit.components.ways import MODEL, SERVER, TWO_NODES, Change, way_document

KEY = f"{ROOT}.models.{MODEL}.chat_template"
GOOD = """\
{%- for message in messages %}
    {%- if message['role'] == 'tool' %}{% continue %}{% endif %}
<|{{ message['role'] }}|>{{ message['content'] }}{{ eos_token }}
{%- endfor %}
{%- if add_generation_prompt %}<|assistant|>{% endif %}
"""
WITHOUT_SYSTEM = """\
{%- if messages[0]['role'] == 'system' %}
    {{- raise_exception('System role not supported') }}
{%- endif %}
{%- for message in messages %}{{ message['content'] }}{% endfor %}
"""
AS_PUBLISHED = """\
{%- if tools %}{{ tools | tojson(indent=4, ensure_ascii=False, sort_keys=True) }}{% endif %}
{{- strftime_now('%d %b %Y') }}
{%- for message in messages %}
    {%- if message.role == 'assistant' %}
        {%- generation %}{{ message.content | tojson(separators=(',', ':')) }}{% endgeneration %}
    {%- else %}{{ message.content }}{% endif %}
{%- endfor %}
"""
FAILS_WITH_TOOLS = "{% if tools %}{{ tools[0].name.upper() }}{% endif %}" + GOOD
TRIAL = Path(chat_template.__file__).with_name("template_trial.py")
BAD = {
    "a syntax error": (
        "{% for message in messages %}\n{{ message['content'] }}\n{% endfro %}",
        ", which is no template, at line 3: Encountered unknown tag 'endfro'",
    ),
    "lost words": (
        "{% for message in messages %}{{ message['text'] }}{% endfor %}",
        ", which leaves out what the user says: it has to go through `messages`, each with `role` ",
    ),
    "a template that always refuses": (
        "{{ raise_exception('never') }}",
        ", which fails on a short talk: never",
    ),
    "a function that the engine does not have": (
        "{{ shout(messages) }}",
        ", which fails on a short talk: 'shout' is undefined",
    ),
    "a number of the wrong kind": (
        "{{ messages + 1 }}",
        ", which fails on a short talk: ",
    ),
    "a division by nothing": ("{{ 1 / 0 }}", ", which fails on a short talk: division by zero"),
    "a talk without end": (
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
        ", which fails on a short talk: maximum recursion depth exceeded",
    ),
    "more turns than the sandbox has": (
        "{% for i in range(999999999) %}{% endfor %}",
        ", which fails on a short talk: Range too big",
    ),
    "loops in loops": (
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        ", which takes too long: ",
    ),
    "one number that is never worked out": ("{{ 9 ** (9 ** 9) }}", ", which takes too long: "),
    "more letters than memory": ("{{ 'a' * 10**11 }}", ", which needs too much memory: "),
    "a list that grows": (
        "{% set all = namespace(of=[1]) %}"
        "{% for i in range(99) %}{% set all.of = all.of + all.of %}{% endfor %}",
        ", which needs too much memory: ",
    ),
    "more letters than a prompt": (
        "{{ 'a' * 2**21 }}",
        ", which fails on a short talk: it writes more than 1048576 letters",
    ),
    "too deep to be read": (
        "{{ " + "(" * 50_000 + " }}",
        ", which fails on a short talk: maximum recursion depth exceeded",
    ),
    "a file of others": (
        "{% include 'other.jinja' %}",
        ", which fails on a short talk: no loader for this environment",
    ),
    "a refusal in lines": (
        "{{ raise_exception('one\\ntwo') }}",
        ", which fails on a short talk: one two",
    ),
    "a way out of the sandbox": (
        "{{ messages.__class__.__mro__ }}",
        ", which fails on a short talk: access to attribute '__class__'",
    ),
    "too many bytes": (
        "{# " + "x" * 600_000 + " #}",
        ", which has more than 512 KiB: make it smaller",
    ),
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of stack files."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.setattr(chat_template, "PROJECT", folder)
    return folder


def _asked(name: str = "chat.jinja") -> Change:
    return {"chat_template": name}


def _refusal(name: str = "chat.jinja", **change: object) -> str:
    with pytest.raises(DocumentError) as caught:
        read_document(way_document({**_asked(name), **change}))
    return str(caught.value)


@pytest.mark.parametrize("text", [GOOD, WITHOUT_SYSTEM, AS_PUBLISHED])
def test_a_template_that_says_what_users_say_is_taken(project: Path, text: str) -> None:
    """Row C13: one that refuses system messages too, as some published ones do."""
    (project / "chat.jinja").write_text(text, encoding="utf-8")
    assert read_document(way_document(_asked()))


@pytest.mark.parametrize("fault", BAD)
def test_a_template_that_breaks_is_refused_before_the_first_request(
    project: Path, fault: str
) -> None:
    """Row C13."""
    text, sentence = BAD[fault]
    (project / "chat.jinja").write_text(text, encoding="utf-8")
    said = _refusal()
    assert said.startswith(f"{KEY} is 'chat.jinja'{sentence}")
    assert "\n" not in said


def test_a_template_meets_a_tool_where_requests_bring_tools(project: Path) -> None:
    """Row C13: without a parser of calls the engine refuses such requests itself."""
    (project / "chat.jinja").write_text(FAILS_WITH_TOOLS, encoding="utf-8")
    assert read_document(way_document(_asked()))
    said = _refusal(tool_call_parser="hermes")
    assert said.startswith(f"{KEY} is 'chat.jinja', which fails on a short talk with a tool: ")
    (project / "chat.jinja").write_text(AS_PUBLISHED, encoding="utf-8")
    assert read_document(way_document({**_asked(), "tool_call_parser": "hermes"}))


def test_a_template_is_tried_from_whatever_folder(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a module that lies there is not taken for a library's."""
    (project / "chat.jinja").write_text(GOOD, encoding="utf-8")
    (tmp_path / "jinja2.py").write_text("raise SystemExit(3)", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert read_document(way_document(_asked()))


def test_a_template_that_waits_is_stopped_by_the_clock(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system limits no CPU time: a trial that sleeps stands in for one."""
    (project / "chat.jinja").write_text(GOOD, encoding="utf-8")
    (tmp_path / "sleeps.py").write_text("import time\ntime.sleep(60)\n", encoding="utf-8")
    monkeypatch.setattr(chat_template, "_TRIAL", tmp_path / "sleeps.py")
    monkeypatch.setattr(chat_template, "_DEADLINE_SECONDS", 0.5)
    began = time.monotonic()
    assert ", which takes too long: " in _refusal()
    assert time.monotonic() - began < 10


def test_a_trial_that_cannot_start_is_a_sentence_too(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "chat.jinja").write_text(GOOD, encoding="utf-8")
    (tmp_path / "lacks.py").write_text("import no_such_module\n", encoding="utf-8")
    monkeypatch.setattr(chat_template, "_TRIAL", tmp_path / "lacks.py")
    assert _refusal() == (
        f"{KEY} is 'chat.jinja', which cannot be tried: "
        "ModuleNotFoundError: No module named 'no_such_module'"
    )


def test_the_trial_starts_quickly() -> None:
    """It needs Jinja and the standard library; Pulumi alone would take seconds."""
    nodes = list(ast.walk(ast.parse(TRIAL.read_text(encoding="utf-8"))))
    imported = {
        alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names
    }
    imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    packages = {name.partition(".")[0] for name in imported}
    assert packages - sys.stdlib_module_names == {"jinja2"}


def test_a_template_that_is_not_there_is_refused(project: Path) -> None:
    (project / "folder.jinja").mkdir()
    for name in ("chat.jinja", "folder.jinja", "below/chat.jinja"):
        assert _refusal(name) == (
            f"{KEY} is '{name}', but there is no such file in the project's folder"
        )


def test_a_template_is_not_read_from_outside_the_project(project: Path, tmp_path: Path) -> None:
    """Neither by a link to a file nor by a folder that is one."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.jinja").write_text(GOOD, encoding="utf-8")
    (project / "chat.jinja").symlink_to(tmp_path / "outside" / "secret.jinja")
    (project / "below").symlink_to(tmp_path / "outside")
    for name in ("chat.jinja", "below/secret.jinja"):
        assert "but there is no such file in the project's folder" in _refusal(name)


def test_a_template_that_is_no_text_is_refused(project: Path) -> None:
    (project / "chat.jinja").write_bytes(b"\xff\xfe{{ messages }}")
    assert _refusal().startswith(f"{KEY} is 'chat.jinja', which cannot be read: 'utf-8' codec ")


@pytest.mark.parametrize("change", [{}, TWO_NODES])
def test_a_template_is_mounted_where_the_engine_is_told_to_look(
    project: Path, change: Change
) -> None:
    """Row C13: in every pod of a server, and named after its content, so that a change rolls."""
    (project / "below").mkdir()
    (project / "below" / "chat.jinja").write_text(GOOD, encoding="utf-8")
    rendered = render(way_document({**change, **_asked("below/chat.jinja")}))
    name = f"{SERVER}-template-{hashlib.sha256(GOOD.encode()).hexdigest()[:8]}"
    config_map = one(rendered, "ConfigMap", name)
    assert config_map["data"] == {"chat.jinja": GOOD}
    assert config_map["immutable"] is True
    pods = _pods(rendered)
    assert len(pods) == change.get("nodes", 1)
    for pod in pods:
        (container,) = pod["containers"]
        told = effective(container["args"]).settings["chat_template"]
        (mount,) = [each for each in container["volumeMounts"] if each["name"] == "template"]
        assert mount == {"name": "template", "mountPath": "/templates", "readOnly": True}
        assert told == "/templates/chat.jinja"
        assert {"name": "template", "configMap": {"name": name}} in pod["volumes"]


def _pods(rendered: tuple[Rendered, ...]) -> list[Mapping[str, Any]]:
    groups = of_kind(rendered, "LeaderWorkerSet")
    if groups:
        template = groups[0]["spec"]["leaderWorkerTemplate"]
        return [template["leaderTemplate"]["spec"], template["workerTemplate"]["spec"]]
    return [one(rendered, "Deployment", SERVER)["spec"]["template"]["spec"]]
