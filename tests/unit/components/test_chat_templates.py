"""A chat template of one's own: tried on a short talk, kept in a ConfigMap, named to the engine."""

import hashlib
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


def _refusal(name: str = "chat.jinja") -> str:
    with pytest.raises(DocumentError) as caught:
        read_document(way_document(_asked(name)))
    return str(caught.value)


@pytest.mark.parametrize("text", [GOOD, WITHOUT_SYSTEM])
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


def test_a_template_that_is_not_there_is_refused(project: Path) -> None:
    (project / "folder.jinja").mkdir()
    for name in ("chat.jinja", "folder.jinja", "below/chat.jinja"):
        assert _refusal(name) == (
            f"{KEY} is '{name}', but there is no such file beside the stack file"
        )


def test_a_template_is_not_read_from_outside_the_project(project: Path, tmp_path: Path) -> None:
    """Neither by a link to a file nor by a folder that is one."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.jinja").write_text(GOOD, encoding="utf-8")
    (project / "chat.jinja").symlink_to(tmp_path / "outside" / "secret.jinja")
    (project / "below").symlink_to(tmp_path / "outside")
    for name in ("chat.jinja", "below/secret.jinja"):
        assert "but there is no such file beside the stack file" in _refusal(name)


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
