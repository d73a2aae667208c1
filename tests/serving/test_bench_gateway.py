"""The command that measures the gateway's overhead, for README: small, and on the real gateway."""

from pathlib import Path

import pytest

from tests.serving.bench_gateway import (
    OVERHEAD,
    QUICK,
    SETTINGS,
    Place,
    measure,
    overhead_row,
    quick,
    settings_row,
)
from tests.serving.conftest import ENVIRONMENT_SECONDS
from tests.serving.gateway_variants import VARIANTS
from tests.serving.quick_engine import TOKENS
from tests.serving.states import Home
from tests.serving.stopwatch import Effort, Target, Times, times

pytestmark = pytest.mark.timeout(ENVIRONMENT_SECONDS)

_LEAST = Effort(rounds=2, crowds=1, callers=2, answers=2)


def test_a_row_holds_the_second_against_the_first() -> None:
    alone = Times(whole=0.1, first=0.01, stream=0.2, rate=100, cpu=0.001)
    through = Times(whole=0.15, first=0.03, stream=0.2, rate=50, cpu=0.002)
    assert overhead_row("engine", alone, through) == (
        "engine",
        "1.50 x (100.0 to 150.0 ms)",
        "3.00 x (10.0 to 30.0 ms)",
        "1.00 x (200.0 to 200.0 ms)",
        "0.500 x (100 to 50)",
    )
    ratios = ("1.50 x", "3.00 x", "1.00 x", "0.50 x", "2.00 x", "1.25 x")
    assert settings_row("setting", alone, through, 1.25) == ("setting", *ratios)


def test_the_first_token_comes_before_the_end_of_a_stream(tmp_path: Path) -> None:
    with quick(tmp_path) as engine:
        target = Target(engine.url, "any", "none", TOKENS, engine.process.pid)
        both = times([target, target], _LEAST)
    assert len(both) == 2
    for each in both:
        assert 0 < each.first < each.stream
        assert min(each.whole, each.rate) > 0


def test_the_rendered_gateway_and_a_setting_of_it_are_measured(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measure(Place(home.fresh(), tmp_path), VARIANTS[:1], _LEAST)
    lines = capsys.readouterr().out.splitlines()
    firsts = [line.split("|")[1].strip() for line in lines if line.startswith("| ")]
    assert firsts == [OVERHEAD[0], QUICK, SETTINGS[0], VARIANTS[0].name]
