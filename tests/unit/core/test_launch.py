"""What a container really runs, after Kubernetes' expansion and wrappers."""

import pytest

from components.core.launch import UNKNOWN, Word, environment_of, expand, launch


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)-$(B)", "1-2"),
        ("$(MISSING)", "$(MISSING)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A}", "$A ${A}"),
        ("$(SECRET)", UNKNOWN),
        ("x $(SECRET) y", UNKNOWN),
    ],
)
def test_references_expand_as_the_kubelet_does_it(text: str, expanded: Word) -> None:
    assert expand(text, {"A": "1", "B": "2", "SECRET": UNKNOWN}) == expanded


def test_a_missing_variable_may_come_from_elsewhere() -> None:
    assert expand("$(MISSING)", {}, complete=False) is UNKNOWN


def test_variables_see_earlier_ones_and_the_last_duplicate_counts() -> None:
    pairs: list[tuple[str, Word]] = [("A", "$(B)"), ("B", "1"), ("C", "$(B)"), ("B", "2")]
    assert environment_of(pairs) == {"A": "$(B)", "B": "2", "C": "1"}


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["tini", "-s", "--", "vllm", "serve"], ("vllm", "serve")),
        (["/bin/sh", "-c", "exec vllm serve 'a b'"], ("vllm", "serve", "a b")),
        (["bash", "-euo", "pipefail", "-c", "vllm serve"], ("vllm", "serve")),
        (["sh", "-c", "vllm serve \\\n  --seed 1\n"], ("vllm", "serve", "--seed", "1")),
        (["env", "A=1", "nohup", "vllm"], ("vllm",)),
    ],
)
def test_wrappers_are_taken_away(command: list[str], words: tuple[str, ...]) -> None:
    started = launch(command, (), {})
    assert started.words == words
    assert started.opaque is None


@pytest.mark.parametrize(
    "command",
    [
        ["sh", "-c", "vllm serve $MODEL"],
        ["sh", "-c", "a; b"],
        ["sh", "-c", "a | b"],
        ["sh", "-c", "`a`"],
        ["sh", "-c", "a 'b"],
        ["sh", "-c", "a \"'$X'\""],
        ["sh", "-c", "cat <<EOF\nx\nEOF"],
        ["sh", "-c", "A=1"],
        ["sh", "/start.sh"],
        ["sh", "-c"],
        ["sh", UNKNOWN, "vllm"],
        ["env", "-S", "vllm serve"],
        ["env", UNKNOWN, "vllm"],
        ["env", "-u"],
        ["env", "--unset=", "vllm"],
        ["env", "-C", "/x", "vllm"],
        ["tini"] * 9,
        ["tini", "-p", "SIGTERM", "sh", "-c", "vllm"],
        ["exec", "-a", "vllm", "other"],
        ["timeout", "9", "vllm"],
        ["/bin/busybox", "sh", "-c", "vllm"],
    ],
)
def test_what_only_a_shell_could_tell_is_opaque(command: list[Word]) -> None:
    assert launch(command, (), {}).opaque


def test_variables_can_be_taken_away_on_the_way() -> None:
    environment: dict[str, Word] = {"KEY": UNKNOWN, "OTHER": "1"}
    for removal in (["-u", "KEY"], ["-uKEY"], ["--unset=KEY"], ["--unset", "KEY"]):
        assert launch(["env", *removal, "p"], (), environment).environment == {"OTHER": "1"}
    assert launch(["env", "-i", "p"], (), environment).environment == {}
    assert launch(["sh", "-c", "KEY= p"], (), environment).environment["KEY"] == ""


def test_the_images_entrypoint_stands_in_for_a_missing_command() -> None:
    started = launch((), ["m"], {}, entrypoint=("vllm", "serve"))
    assert started.words == ("vllm", "serve", "m")
    assert started.program == "vllm"
    assert launch((), (), {}).program == ""
    assert launch([UNKNOWN], (), {}).program == ""
