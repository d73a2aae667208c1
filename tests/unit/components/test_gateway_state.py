"""The objects behind the gateway's teams and keys: who runs, with which rights, what is kept."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.unit.components.manifests import Json, one, pods
from tests.unit.components.tenants import NAME, TEAMS, own, rendered, tenants
from tests.unit.policies.analyzer import analyze


def _job() -> Json:
    (job,) = own(tenants(), "Job")
    return job


def _cron() -> Json:
    (cron,) = own(tenants(), "CronJob")
    return cron


def _pod_specs() -> list[Json]:
    job = _job()["spec"]["template"]["spec"]
    return [job, _cron()["spec"]["jobTemplate"]["spec"]["template"]["spec"]]


def _without(teams: Mapping[str, Any]) -> tuple[str, str]:
    found = rendered(teams)
    (job,), (config,) = own(found, "Job"), own(found, "ConfigMap")
    return job["metadata"]["name"], config["metadata"]["name"]


def test_c2_the_program_and_what_it_makes_true_lie_in_one_unchanging_config_map() -> None:
    """C2: teams and keys as code."""
    (config,) = own(tenants(), "ConfigMap")
    assert config["immutable"] is True
    state = json.loads(config["data"]["state.json"])
    assert [team["name"] for team in state["teams"]] == ["akko", "other"]
    assert "components.programs" in config["data"]["gateway_state.py"]
    for spec in _pod_specs():
        named = {v["configMap"]["name"] for v in spec["volumes"] if "configMap" in v}
        assert named == {config["metadata"]["name"]}


def test_every_module_that_the_program_imports_is_in_the_pod() -> None:
    (config,) = own(tenants(), "ConfigMap")
    mounted = {
        item["path"]
        for volume in _pod_specs()[0]["volumes"]
        if volume["name"] == "programs"
        for item in volume["configMap"]["items"]
    }
    modules = {name for name in config["data"] if name.endswith(".py")}
    assert mounted == {f"components/programs/{name}" for name in modules}
    for name in modules:
        for line in config["data"][name].splitlines():
            if line.startswith("from components.programs."):
                imported = line.split()[1].rpartition(".")[2]
                assert f"{imported}.py" in modules


def test_the_secrets_of_accounts_are_made_empty_and_what_is_in_them_is_not_pulumis() -> None:
    secrets = own(tenants(), "Secret")
    assert {each["metadata"]["name"] for each in secrets} == {"akko-app-key", "akko-batch-key"}
    for each in secrets:
        assert not {"data", "stringData"} & each.keys()


def test_the_reconciler_may_read_and_patch_these_secrets_and_nothing_else() -> None:
    (role,) = own(tenants(), "Role")
    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": ["akko-app-key", "akko-batch-key"],
            "verbs": ["get", "patch"],
        }
    ]
    (binding,) = own(tenants(), "RoleBinding")
    (subject,) = binding["subjects"]
    assert subject["name"] == binding["roleRef"]["name"] == f"{NAME}-state"


@pytest.mark.parametrize("teams", [{}, {"akko": {"models": ["akko-coder"]}}])
def test_without_accounts_it_may_do_nothing_and_runs_all_the_same(teams: dict[str, Any]) -> None:
    """A rule without names would be one for every Secret; teams taken out have to be blocked."""
    (role,) = own(rendered(teams), "Role")
    assert role["rules"] == []
    assert len(own(rendered(teams), "Job")) == 1


def test_only_this_pod_gets_a_token_and_it_ends_after_an_hour() -> None:
    for spec in _pod_specs():
        (access,) = [v["projected"]["sources"] for v in spec["volumes"] if "projected" in v]
        assert [next(iter(source)) for source in access] == [
            "serviceAccountToken",
            "configMap",
            "downwardAPI",
        ]
        assert access[0]["serviceAccountToken"]["expirationSeconds"] == 3600
        assert spec["automountServiceAccountToken"] is False
        assert spec["serviceAccountName"] == f"{NAME}-state"
    others = [each for each in pods(tenants()) if "-state-" not in each.owner]
    assert others
    for each in others:
        assert not [v for v in each.spec["volumes"] if "projected" in v]


def test_its_pod_is_hardened_and_has_no_key_in_its_manifest() -> None:
    for spec in _pod_specs():
        assert spec["securityContext"]["runAsNonRoot"] is True
        (container,) = spec["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        (key,) = [each for each in container["env"] if each["name"] == "LITELLM_MASTER_KEY"]
        assert "value" not in key
        assert container["image"].startswith("docker.io/library/python:")


def test_a_change_of_a_team_is_another_job_and_the_same_document_the_same() -> None:
    assert _without(TEAMS) == (
        _job()["metadata"]["name"],
        own(tenants(), "ConfigMap")[0]["metadata"]["name"],
    )
    changed = {**TEAMS, "other": {"models": ["akko-coder"], "requests_per_minute": 5}}
    job, config = _without(changed)
    assert job != _job()["metadata"]["name"]
    assert config != own(tenants(), "ConfigMap")[0]["metadata"]["name"]


def test_the_job_waits_for_the_gateway_and_ends_after_a_bounded_time() -> None:
    (state,) = [each for each in tenants() if each.name == "gateway-state"]
    assert ("kubernetes:apps/v1:Deployment", NAME) in state.dependencies
    spec = _job()["spec"]
    assert spec["backoffLimit"] == 4
    assert spec["activeDeadlineSeconds"] == 900
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert _job()["metadata"]["annotations"]["pulumi.com/replaceUnready"] == "true"


def test_drift_is_looked_for_every_quarter_of_an_hour_by_one_run_at_a_time() -> None:
    spec = _cron()["spec"]
    assert spec["schedule"] == "*/15 * * * *"
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["successfulJobsHistoryLimit"] + spec["failedJobsHistoryLimit"] <= 4
    job = _job()["spec"]["template"]["spec"]
    assert spec["jobTemplate"]["spec"]["template"]["spec"] == job


def test_names_fit_where_the_service_has_the_longest_name_that_is_possible() -> None:
    longest = 46
    assert len("x" * longest + "-drift") <= 52  # of a CronJob
    assert len("x" * longest + "-state-12345678") <= 63


def test_it_reaches_the_gateway_names_and_the_api_server_and_nothing_else() -> None:
    policy = one(tenants(), "NetworkPolicy", f"{NAME}-state")
    ports = [[port["port"] for port in rule["ports"]] for rule in policy["spec"]["egress"]]
    assert ports == [[4000], [443, 6443]]
    assert policy["spec"]["ingress"] == []
    blocks = [peer["ipBlock"]["cidr"] for peer in policy["spec"]["egress"][1]["to"]]
    assert not any(block.startswith(("0.", "169.254")) for block in blocks)


def test_a_stack_with_tenants_breaks_no_policy() -> None:
    whole = [(each.type, each.inputs) for each in tenants()]
    found = [item for kind, inputs in whole for item in analyze(kind, inputs)]
    found += analyze("pulumi:pulumi:Stack", {}, beside=whole)
    assert found == []
