"""`make up`, `preview`, `down` without a context: the engine on a control plane of its own."""

import stat
import subprocess
import sys

import pytest

from tests.rendering import document
from tests.unit.tools_stacks.desk import Desk
from tools import embedded_stack, stacks
from tools.control_plane import ControlPlane

_HOLD = """
import sys, time, filelock
with filelock.FileLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(0.5)
"""


def test_a_preview_goes_to_the_embedded_cluster_under_the_policy_pack(desk: Desk) -> None:
    assert desk.run("preview") == 0
    (init, _, _), (arguments, folder, environ) = desk.calls()
    assert init == ["stack", "init", "dev", "--non-interactive"]
    assert arguments == [
        "preview",
        f"--policy-pack={desk.project / 'policies'}",
        "--stack=dev",
        f"--config-file={desk.home / 'Pulumi.dev.yaml'}",
        "--non-interactive",
        "--suppress-progress",
    ]
    assert folder == str(desk.project)
    assert environ["KUBECONFIG"] == str(desk.plane.kubeconfig)
    assert environ["PULUMI_BACKEND_URL"] == f"file://{desk.home / 'state'}"
    assert "PULUMI_ACCESS_TOKEN" not in environ
    assert "PULUMI_CONFIG_PASSPHRASE" not in environ


def test_the_engine_is_told_another_cluster_and_else_the_same_document(desk: Desk) -> None:
    before = (desk.project / "Pulumi.dev.yaml").read_text()
    assert desk.run("preview") == 0
    expected = document("dev")
    expected["cluster"] = {
        "context": "embedded",
        "server": "https://127.0.0.1:1",
        "node_class": {"kind": "KWOKNodeClass", "name": "default"},
    }
    assert desk.copy == {"encryptionsalt": "salt", "config": {"inference:platform": expected}}
    assert (desk.project / "Pulumi.dev.yaml").read_text() == before
    assert sorted(path.name for path in desk.project.iterdir()) == [
        "Pulumi.dev.yaml",
        "Pulumi.yaml",
    ]


def test_a_stack_is_made_once_and_keeps_its_salt_and_passphrase(desk: Desk) -> None:
    assert desk.run("preview") == 0
    secret = (desk.home / "passphrase").read_text()
    changed = document("dev")
    changed["ollama"]["cpu"] = 2
    desk.write({"config": {"inference:platform": changed}})
    assert desk.run("preview") == 0
    assert [call[0][0] for call in desk.calls()] == ["stack", "preview", "preview"]
    assert desk.copy["encryptionsalt"] == "salt"
    assert desk.copy["config"]["inference:platform"]["ollama"]["cpu"] == 2
    assert (desk.home / "passphrase").read_text() == secret
    assert len(secret) >= 32


def test_the_passphrase_is_the_owners_alone(desk: Desk) -> None:
    assert desk.run("preview") == 0
    assert stat.S_IMODE((desk.home / "passphrase").stat().st_mode) == 0o600


def test_values_that_the_users_own_state_encrypts_get_a_stand_in(desk: Desk) -> None:
    desk.write(
        {
            "encryptionsalt": "the user's",
            "config": {
                "inference:platform": document("dev"),
                "inference:gatewayKey": {"secure": "v1:abc"},
                "other:plain": "value",
            },
        }
    )
    assert desk.run("preview") == 0
    assert desk.copy["encryptionsalt"] == "salt"
    assert desk.copy["config"]["inference:gatewayKey"] == "stand-in-for-inference:gatewayKey"
    assert desk.copy["config"]["other:plain"] == "value"


def test_the_engines_failure_is_the_commands_failure(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert desk.run("preview") == 0
    monkeypatch.setenv("FAIL", "no")
    assert desk.run("up") == 1


def test_a_stack_that_cannot_be_made_is_one_sentence_and_made_the_next_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAIL", "no space left on device")
    assert desk.run("preview") == 1
    said = capsys.readouterr().err
    assert said == "error: the stack dev could not be made: error: no space left on device\n"
    monkeypatch.delenv("FAIL")
    assert desk.run("preview") == 0


def test_the_lock_of_a_killed_run_is_lifted(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.run("preview") == 0
    locks = desk.home / "state" / ".pulumi" / "locks" / "organization" / "inference" / "dev"
    locks.mkdir(parents=True)
    (locks / "lock.json").write_text("{}")
    assert desk.run("preview") == 0
    assert [call[0][0] for call in desk.calls()] == [
        "stack",
        "preview",
        "cancel",
        "stack",
        "refresh",
        "preview",
    ]
    assert not any(locks.iterdir())
    assert "lifting the lock that an interrupted run has left" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("config: [", "Pulumi.dev.yaml is not YAML: line 1, column 10: "),
        ("just text", "Pulumi.dev.yaml holds no keys; it begins with `config:`"),
        ("config:\n", "Pulumi.dev.yaml holds no keys below `config:`"),
        ("other: 1\n", "Pulumi.dev.yaml holds no keys below `config:`"),
    ],
)
def test_a_stack_file_that_is_none_is_one_sentence_and_starts_nothing(
    desk: Desk, capsys: pytest.CaptureFixture[str], content: str, sentence: str
) -> None:
    desk.write(content)
    assert desk.run("up") == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {sentence}")
    assert said.count("\n") == 1
    assert desk.calls() == []


def test_a_stack_file_that_is_no_text_is_one_sentence(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    (desk.project / "Pulumi.dev.yaml").write_bytes(b"\xff\xfe\x00\x80")
    assert desk.run("up") == 1
    assert capsys.readouterr().err.startswith("error: Pulumi.dev.yaml is not YAML: ")


def test_a_stack_that_does_not_exist_is_told_those_that_do(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert desk.run("up", "--stack=prod") == 1
    assert capsys.readouterr().err == "error: there is no stack 'prod' here; there are: dev\n"
    assert not (desk.runs / "prod").exists()


@pytest.mark.parametrize("command", ["up", "preview", "down"])
@pytest.mark.parametrize("name", ["..", ".", "../precious", "a/b", "/precious", "dev/../.."])
def test_a_stack_name_is_never_a_path(
    desk: Desk, capsys: pytest.CaptureFixture[str], command: str, name: str
) -> None:
    """`down` removes a folder of that name."""
    desk.runs.mkdir()
    precious = desk.runs.parent / "precious"
    precious.mkdir()
    (precious / "data").write_text("kept")
    name = name.replace("/precious", str(precious)) if name.startswith("/") else name
    assert desk.run(command, f"--stack={name}") == 1
    assert f"{name!r} is no name of a stack" in capsys.readouterr().err
    assert (precious / "data").read_text() == "kept"
    assert desk.project.exists()


def test_down_removes_every_run_and_leaves_the_project(desk: Desk) -> None:
    assert desk.run("preview") == 0
    (desk.runs / "production").mkdir()
    assert desk.run("down") == 0
    assert list(desk.runs.iterdir()) == []
    assert (desk.project / "Pulumi.dev.yaml").exists()


def test_down_of_one_stack_leaves_the_others(desk: Desk) -> None:
    for name in ("dev", "production"):
        (desk.runs / name).mkdir(parents=True)
    assert desk.run("down", "--stack=dev") == 0
    assert [path.name for path in desk.runs.iterdir()] == ["production"]


def test_down_before_anything_was_up_is_no_error(desk: Desk) -> None:
    assert desk.run("down") == 0
    assert desk.run("down", "--stack=dev") == 0


def test_an_interruption_is_a_sentence_and_130(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: object) -> ControlPlane:
        raise KeyboardInterrupt

    monkeypatch.setattr(stacks, "start_plane", interrupted)
    assert desk.run("up") == 130
    assert capsys.readouterr().err == "interrupted; the next call takes up from here\n"


def test_a_second_call_in_a_checkout_waits_for_the_first(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    (desk.runs / "dev").mkdir(parents=True)
    first = subprocess.Popen(
        [sys.executable, "-c", _HOLD, desk.runs / "dev" / "lock"], stdout=subprocess.PIPE, text=True
    )
    with first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        assert desk.run("preview") == 0
        assert first.poll() == 0
    assert "another make is at work in this checkout" in capsys.readouterr().err


def test_a_document_that_is_no_mapping_reaches_the_program_as_it_is(desk: Desk) -> None:
    """The program says what is wrong with it; replacing its cluster would hide that."""
    stack_file = {"config": {"inference:platform": "text"}}
    assert embedded_stack.on_plane(stack_file, desk.plane) == stack_file


def test_state_without_its_passphrase_names_the_way_out(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert desk.run("preview") == 0
    (desk.home / "passphrase").unlink()
    assert desk.run("preview") == 1
    assert "`make down`, then `make up`" in capsys.readouterr().err


def test_a_key_that_stands_twice_is_refused(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    (desk.project / "Pulumi.dev.yaml").write_text("config:\n  a: 1\n  b: 2\n  a: 3\n")
    assert desk.run("preview") == 1
    said = capsys.readouterr().err
    assert "Pulumi.dev.yaml is not YAML: line 4" in said
    assert "the key 'a' stands already on line 2" in said


def test_a_proxy_of_the_user_is_not_asked_for_loopback(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "corp.example")
    assert desk.run("preview") == 0
    _, _, environ = desk.calls()[-1]
    assert environ["no_proxy"] == environ["NO_PROXY"] == "corp.example,127.0.0.1,localhost"


def test_a_run_folder_that_cannot_be_written_is_one_sentence(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.runs.write_text("a file")
    assert desk.run("up") == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
