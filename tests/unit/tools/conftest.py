from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.tools.workshop import Workshop


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    shop = Workshop(tmp_path)
    shop.bin.mkdir()
    for name in ("INFERENCE_PLATFORM_PULUMI", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in shop.environment().items():
        monkeypatch.setenv(name, value)
    return shop
