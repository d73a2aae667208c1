from __future__ import annotations

import shutil

from tests.unit.tools.workshop import Workshop
from tools.catalogue import ETCD, OLLAMA
from tools.install import ensure
from tools.store import MANIFEST, folder_of


def test_c_headers_lie_where_the_sources_look_for_them_and_only_then_is_c_compiled(
    workshop: Workshop,
) -> None:
    """Ollama's module lacks some; every other tool is built without C."""
    common = workshop.root / "module" / "llama" / "llama.cpp" / "common"
    common.mkdir(parents=True)
    (common / "json.hpp").write_text("json")
    (common / "stb_image.h").write_text("stb")
    (workshop.root / "module" / "miniaudio.h").write_text("audio")
    seen, flags = workshop.root / "seen", workshop.root / "flags"
    behaviour = f"""
        echo "$CGO_CPPFLAGS" >> {flags}
        echo "$CGO_ENABLED" >> {seen}
        for name in nlohmann/json.hpp nlohmann/json_fwd.hpp stb/stb_image.h miniaudio/miniaudio.h
        do [ -n "$CGO_CPPFLAGS" ] && cat "${{CGO_CPPFLAGS#-I}}/$name" >> {seen}
        done
    """
    workshop.go(behaviour)
    ensure([OLLAMA])
    assert seen.read_text() == "1\njsonjsonstbaudio"
    shutil.rmtree(folder_of(OLLAMA))
    ensure([OLLAMA])
    first, second = flags.read_text().splitlines()
    assert first == second  # else Go would compile everything again after an interruption
    seen.write_text("")
    ensure([ETCD])
    assert seen.read_text() == "0\n"
    assert [file.name for file in folder_of(OLLAMA).iterdir() if file.name != MANIFEST] == [
        "ollama"
    ]
