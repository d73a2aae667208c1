"""The pack in its own process, started as the engine starts it, spoken to over gRPC."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime import proto
from pulumi.runtime.proto import analyzer_pb2_grpc
from pulumi_policy import EnforcementLevel

from policies.pack import RULES
from tests.unit.policies.analyzer import Json, put
from tests.unit.policies.manifests import DEPLOYMENT, ENGINE

PACK = Path(__file__).parents[3] / "policies"


@dataclass(frozen=True)
class Analyzer:
    """The running pack; the generated stub has no types."""

    stub: Any

    def info(self) -> proto.AnalyzerInfo:
        return self.stub.GetAnalyzerInfo(empty_pb2.Empty())

    def analyze(self, properties: Json) -> list[proto.AnalyzeDiagnostic]:
        request = proto.AnalyzeRequest(
            type=DEPLOYMENT,
            urn="urn:pulumi:production::inference-platform::x::akko-coder",
            name="akko-coder",
            properties=json_format.ParseDict(properties, struct_pb2.Struct()),
        )
        return list(self.stub.Analyze(request).diagnostics)


@pytest.fixture(scope="module")
def analyzer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Analyzer]:
    elsewhere = tmp_path_factory.mktemp("elsewhere")  # as with the engine: not the repository
    command = [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:1", str(PACK)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=elsewhere) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            assert port.isdigit(), "the pack printed no port"
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield Analyzer(analyzer_pb2_grpc.AnalyzerStub(channel))
        finally:
            process.kill()


def test_the_process_offers_every_policy_at_its_level_with_its_parameters(
    analyzer: Analyzer,
) -> None:
    info = analyzer.info()
    assert info.name == "inference-platform"
    assert [policy.name for policy in info.policies] == [rule.name for rule in RULES]
    for policy, rule in zip(info.policies, RULES, strict=True):
        advice = rule.level is EnforcementLevel.ADVISORY
        assert policy.enforcementLevel == (proto.ADVISORY if advice else proto.MANDATORY)
        assert policy.remediation_steps == rule.remediation
        assert set(policy.configSchema.properties) == set(rule.parameters)


def test_the_process_passes_a_good_engine_and_refuses_a_moving_tag(analyzer: Analyzer) -> None:
    assert analyzer.analyze(ENGINE) == []
    image = ("spec", "template", "spec", "containers", 0, "image")
    (found,) = analyzer.analyze(put(ENGINE, *image, value="vllm/vllm-openai:latest"))
    assert found.policyName == "sc-01-image-pinned"
    assert found.enforcementLevel == proto.MANDATORY
    assert "change inference:platform.models.akko-coder.image" in found.message
