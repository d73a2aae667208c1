"""Row C1: the cap is proposed from the lengths that were measured."""

import json
from pathlib import Path

import pytest

from tools.planner.lengths import Histogram, Sample, read_lengths
from tools.planner.propose_length import main, propose
from tools.problem import ToolError

PAGES = [Path(__file__).with_name(f"metrics_{which}.txt") for which in ("first", "second")]
"""Pages of two replicas under `--max-model-len 32768`, written by vLLM's client library with vLLM's
names, labels and buckets: 1,000 and 400 requests."""
BOUNDS = ["1000", "2000", "5000", "+Inf"]


def _page(counts: list[int], answers: list[int], **labels: str) -> str:
    """A page of four buckets a histogram, as a replica prints them."""
    named = {"engine": "0", "model_name": "akko-coder"} | labels
    lines = ["# TYPE vllm:request_prompt_tokens histogram"]
    for metric, values in (("prompt", counts), ("generation", answers)):
        for bound, value in zip(BOUNDS, values, strict=True):
            text = ",".join(f'{key}="{name}"' for key, name in {**named, "le": bound}.items())
            lines.append(f"vllm:request_{metric}_tokens_bucket{{{text}}} {value}.0")
    return "\n".join(lines) + "\n"


def test_a_percentile_is_interpolated_within_its_bucket() -> None:
    """Row C1: 50 below 1,000, 40 below 2,000, 10 below 5,000; the 95th is half-way there."""
    read = read_lengths(_page([50, 90, 100, 100], [95, 100, 100, 100]), None)
    assert read.prompts.quantile(0.95) == 3500
    assert [read.prompts.quantile(share) for share in (0.25, 0.5, 0.9, 1.0)] == [
        *(500, 1000, 2000, 5000)
    ]
    found = propose(read, 95, None)
    assert found.max_model_len == 4608  # 3,500 + 1,000, up to a multiple of 256
    assert found.refused_at_least == pytest.approx(0.1 * (5000 - 4608) / 3000)
    assert found.refused_at_most == pytest.approx(0.1 * (5000 - 3608) / 3000 + 0.05)


def test_c1_l40s_traffic_comes_to_6144_tokens() -> None:
    """Row C1: 6144 from the 95th percentile of prompts and of answers."""
    read = read_lengths(_page([100, 600, 950, 1000], [950, 1000, 1000, 1000]), 8192)
    assert (read.prompts.quantile(0.95), propose(read, 95, None).max_model_len) == (5000, 6144)


def test_replicas_are_summed() -> None:
    texts = [path.read_text(encoding="utf-8") for path in PAGES]
    one, other, both = (read_lengths(text, 32768) for text in (*texts, "".join(texts)))
    assert (one.prompts.count, other.prompts.count, both.prompts.count) == (1000, 400, 1400)
    for length in (1000, 2000, 5000):
        expected = (1000 * one.prompts.above(length) + 400 * other.prompts.above(length)) / 1400
        assert both.prompts.above(length) == pytest.approx(expected)


def test_the_published_counts_of_a_page_are_the_ones_used() -> None:
    read = read_lengths(PAGES[0].read_text(encoding="utf-8"), 32768)
    shares = [round(1 - read.prompts.above(length), 3) for length in (500, 1000, 5000, 20000)]
    assert shares == [0.094, 0.353, 0.962, 0.999]
    assert read.prompts.quantile(1.0) == 32768


def test_engines_with_other_buckets_are_summed_where_they_agree() -> None:
    """Replicas with another cap have other buckets; between those of all nothing is known."""
    shorter = "\n".join(
        line for line in _page([5, 8, 10, 10], [10] * 4).splitlines() if 'le="2000"' not in line
    )
    read = read_lengths(_page([1, 2, 3, 3], [3] * 4) + shorter, None)
    assert isinstance(read.prompts, Histogram)
    assert read.prompts.bounds == (1000, 5000)
    assert read.prompts.cumulative == (6, 13, 13)


def test_the_open_bucket_ends_at_the_cap_that_was_served_under() -> None:
    page = _page([0, 0, 50, 100], [100] * 4)
    assert read_lengths(page, 9000).prompts.quantile(0.75) == 7000
    unknown = read_lengths(page, None)
    assert unknown.prompts.quantile(0.75) is None
    assert unknown.prompts.above(6000) == 0.5
    with pytest.raises(ToolError, match="say with --current under which max_model_len"):
        propose(unknown, 75, None)


def test_pairs_are_added_request_by_request() -> None:
    lines = "# prompt, answer\n" + "".join(f"{100 * n},{2000 - 100 * n}\n" for n in range(1, 11))
    read = read_lengths(lines, None)
    assert read.sums == Sample((2000,) * 10)
    found = propose(read, 95, None)
    assert (found.max_model_len, found.refused_at_most) == (2048, 0.0)


def test_prompts_alone_need_the_length_of_answers() -> None:
    read = read_lengths("\n".join(str(n) for n in range(1, 101)), None)
    found = propose(read, 95, 161)
    assert (found.max_model_len, found.refused_at_most) == (256, pytest.approx(0.05))
    with pytest.raises(ToolError, match="say with --answer-tokens how long answers may get"):
        propose(read, 95, None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "nothing was measured: give a vLLM's /metrics page"),
        ("# only a comment\n", "nothing was measured"),
        ("hello\n", "line 1 is 'hello': write a prompt's tokens, or `prompt,answer`"),
        ("1,2,3\n", "line 1 is '1,2,3'"),
        ("10\n-5\n", "line 2 is '-5'"),
        ("99999999999\n", "line 1 is '99999999999'"),
        ("10,5\n10\n", "1 of 2 lines have no answer: give all"),
        ("# HELP litellm_requests_total x\nlitellm_requests_total 5\n", "not that of the gateway"),
        ("vllm:num_requests_running{} 1\n", "no vllm:request_prompt_tokens_bucket stands there"),
        (_page([0] * 4, [0] * 4), "has counted no request yet"),
        (_page([5, 3, 3, 3], [3] * 4), "fall from bucket to bucket, so the page is damaged"),
        (_page([1] * 4, [1] * 4) + _page([1] * 4, [1] * 4, model_name="b"), "(akko-coder, b)"),
        (_page([1] * 4, [1] * 4).replace("1.0", "NaN"), "this line is no bucket of a histogram"),
    ],
)
def test_what_was_not_measured_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ToolError) as refused:
        read_lengths(text, None)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def _asked(
    capsys: pytest.CaptureFixture[str], *arguments: str, project: Path | None = None
) -> tuple[int, str, str]:
    code = main(arguments, project) if project else main(arguments)
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_stack_s_model_is_told_how_many_more_requests_fit(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Row C1: half the cap holds twice the requests of full length, or more."""
    measured = tmp_path / "lengths.txt"
    measured.write_text("1500,300\n" * 100, encoding="utf-8")
    code, out, _ = _asked(capsys, str(measured), "--stack=production", "--json")
    answer = json.loads(out)
    assert code == 0
    assert answer["proposed"]["max_model_len"] == 2048
    assert [room["machine"] for room in answer["at_once"]] == ["g6.2xlarge", "g6.4xlarge"]
    for room in answer["at_once"]:
        assert 2 * room["now"] <= room["then"] <= 2 * room["now"] + 2
    shown = _asked(capsys, str(measured), "--stack=production")[1]
    assert "100 requests: max_model_len: 2048 fits the 99th percentile" in shown
    room = answer["at_once"][0]
    assert f"holds {room['then']} of the longest requests at once, {room['now']} today" in shown


def test_the_table_has_both_histograms(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _asked(capsys, *map(str, PAGES), "--current=32768", "--percentile=95")
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines()]
    assert code == 0
    assert ["prompts", "1,434", "4,827", "8,978", "32,768"] in rows
    assert ["answers", "200", "755", "992", "2,000"] in rows
    assert "1,400 requests: max_model_len: 5632 fits the 95th percentile" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing.txt"], "nothing.txt cannot be read"),
        ([str(PAGES[0]), "--model=akko-coder"], "name the stack with --stack or --file"),
        ([str(PAGES[0]), "--stack=none"], "there is no stack 'none' here"),
        ([str(PAGES[0]), "--stack=production", "--model=x"], "vLLM models (akko-coder)"),
        ([str(PAGES[0]), "--stack=dev"], "vLLM models (none)"),
        ([str(PAGES[0]), "--file=nothing.yaml"], "there is no file nothing.yaml"),
    ],
)
def test_a_wrong_question_is_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    code, out, said = _asked(capsys, *arguments)
    assert (code, out) == (2, "")
    assert sentence in said
    assert said.startswith("error: ")
    assert said.count("\n") == 1


def test_a_percentile_is_above_0_and_at_most_100(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in ("0", "101", "nan", "x"):
        with pytest.raises(SystemExit):
            main([str(PAGES[0]), f"--percentile={wrong}"])
        assert "is no percentile above 0 and at most 100" in capsys.readouterr().err
