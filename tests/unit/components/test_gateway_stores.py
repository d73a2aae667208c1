"""The gateway's database, counters and salt: who is told of them, and what may go on without."""

import json
from typing import Any

import pytest

from components.gateway_stores import counters_config, database_url
from tests.rendering import CONFIG_VALUE, STACKS, Rendered, document, of_kind, render
from tests.unit.components.manifests import Json, gateway_config, one, pod, stack
from tests.unit.policies.analyzer import analyze

GATEWAY = "Deployment akko-akko-litellm"
MIGRATION = "Job akko-akko-litellm-migration"
DATABASE = "akko-akko-litellm-database"
COUNTERS = "akko-akko-litellm-redis"
STORED = {
    "dev": {
        "LITELLM_SALT_KEY": ("akko-litellm-salt", "value"),
        "DATABASE_URL": ("akko-litellm-database", "url"),
        "REDIS_PASSWORD": ("akko-litellm-redis", "value"),
    },
    "production": {
        "LITELLM_SALT_KEY": ("akko-litellm-salt", "value"),
        "DATABASE_URL": ("akko-litellm-database", "url"),
        "REDIS_PASSWORD": ("akko-litellm-redis", "password"),
        "PROVIDER_KEY_AKKO_CODER": ("akko-coder-keys", "gateway"),
    },
}
"""Secret and key by the variable that reads it."""


def _without(name: str, *keys: str, **changes: object) -> tuple[Rendered, ...]:
    value = document(name)
    for key in keys:
        del value["gateway"][key]
    value["gateway"] |= changes
    return render(value, stack=name)


def _references(container: Json) -> dict[str, tuple[str, str]]:
    """Secret and key by variable."""
    found = {
        v["name"]: v["valueFrom"]["secretKeyRef"] for v in container["env"] if "valueFrom" in v
    }
    return {name: (each["name"], each["key"]) for name, each in found.items()}


def _values(container: Json) -> dict[str, str]:
    return {v["name"]: v["value"] for v in container["env"] if "value" in v}


def _secret(rendered: tuple[Rendered, ...], name: str) -> Rendered:
    (found,) = [item for item in rendered if item.name == name]
    assert found.inputs["kind"] == "Secret"
    return found


@pytest.mark.parametrize("name", STACKS)
def test_stores_and_salt_reach_the_gateway_by_reference_alone(name: str) -> None:
    (container,) = pod(stack(name), GATEWAY).spec["containers"]
    found = _references(container)
    assert found.pop("LITELLM_MASTER_KEY") == ("akko-litellm-key", "master-key")
    assert found == STORED[name]


@pytest.mark.parametrize("name", STACKS)
def test_who_migrates_and_who_guards_the_salt_know_the_database_and_no_more(name: str) -> None:
    expected = {key: STORED[name][key] for key in ("LITELLM_SALT_KEY", "DATABASE_URL")}
    job = pod(stack(name), MIGRATION)
    guard = pod(stack(name), GATEWAY).spec["initContainers"][0]
    for container in (*job.containers, guard):
        assert _references(container) == expected


def test_no_password_or_salt_stands_in_a_plain_value() -> None:
    rendered = stack("dev")
    holders = {item.name for item in rendered if CONFIG_VALUE in json.dumps(item.inputs)}
    assert holders == {
        "gateway-counters-password",
        "gateway-database-password",
        "gateway-migration-salt",
    }
    assert all(item.secret for item in rendered if item.name in holders)


def test_a_salt_can_never_change_and_is_hidden_by_pulumi() -> None:
    made = _secret(stack("dev"), "gateway-migration-salt")
    assert made.inputs["metadata"]["name"] == "akko-litellm-salt"
    assert made.inputs["immutable"] is True
    assert made.inputs["stringData"] == {"value": f"{CONFIG_VALUE}-salt"}
    assert made.secret


def test_production_makes_no_secret_of_what_is_there_already() -> None:
    rendered = render(document("production"), gateway_key=None)
    (made,) = of_kind(rendered, "Secret")
    assert made["metadata"]["name"] == "akko-app-gateway-key"  # of a tenant, filled in the cluster
    assert not {"data", "stringData"} & made.keys()


def test_a_salt_of_the_configuration_is_made_into_its_secret() -> None:
    salt = {"source": "config", "secret_name": "salt", "secret_key": "key"}
    made = _secret(_without("production", salt_key=salt), "gateway-migration-salt")
    assert made.inputs["stringData"] == {"key": f"{CONFIG_VALUE}-salt"}


def test_another_salt_is_held_against_the_database_by_a_job_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else the deployment would end well, and the gateway's pods at their next start would not."""
    names: set[str] = set()
    for salt in ("one-value", "another-value"):
        monkeypatch.setattr("tests.rendering.CONFIG_VALUE", salt)
        rendered = render(document("dev"))
        (job,) = [item for item in rendered if item.name == "gateway-migration" and item.inputs]
        assert not job.secret
        assert salt not in json.dumps(job.inputs)
        names.add(job.inputs["metadata"]["name"])
    assert len(names) == 2


@pytest.mark.parametrize("name", STACKS)
def test_the_database_is_brought_up_to_date_before_any_pod_that_needs_it(name: str) -> None:
    """The roll-out begins when the Job has ended well, and stops where it has not."""
    assert ("kubernetes:batch/v1:Job", "gateway-migration") in _waits_for(name, "LiteLlmGateway")
    (job,) = [
        item.inputs for item in stack(name) if item.name == "gateway-migration" and item.inputs
    ]
    assert job["metadata"]["annotations"]["pulumi.com/replaceUnready"] == "true"
    assert "pulumi.com/skipAwait" not in job["metadata"]["annotations"]
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"


@pytest.mark.parametrize("part", ["GatewayMigration", "LiteLlmGateway"])
def test_the_stacks_own_stores_serve_before_they_are_needed(part: str) -> None:
    stores = {("kubernetes:apps/v1:Deployment", each) for each in (DATABASE, COUNTERS)}
    assert stores <= _waits_for("dev", part)


def _waits_for(name: str, part: str) -> frozenset[tuple[str, str]]:
    """What has to be there before anything of a component, since it is before the component."""
    (found,) = [item for item in stack(name) if item.type == f"inference:gateway:{part}"]
    return found.dependencies


@pytest.mark.parametrize("name", STACKS)
def test_the_salt_is_held_against_the_databases_before_anything_is_written(name: str) -> None:
    guards = [pod(stack(name), owner).spec["initContainers"] for owner in (GATEWAY, MIGRATION)]
    for (guard, *_), folder in zip(guards, ("/etc/litellm", "/opt/gateway"), strict=True):
        assert guard["command"] == ["python", f"{folder}/salt_guard.py"]
        assert folder in {mount["mountPath"] for mount in guard["volumeMounts"]}
    (job,) = pod(stack(name), MIGRATION).spec["containers"]
    assert job["args"] == ["--skip_server_startup", "--port=4000"]


@pytest.mark.parametrize("name", STACKS)
def test_tables_are_changed_by_the_job_alone(name: str) -> None:
    (serving,) = pod(stack(name), GATEWAY).spec["containers"]
    (migrating,) = pod(stack(name), MIGRATION).spec["containers"]
    assert _values(serving)["DISABLE_SCHEMA_UPDATE"] == "true"
    assert "DISABLE_SCHEMA_UPDATE" not in _values(migrating)


def test_another_image_is_another_migration() -> None:
    """A Job cannot change."""
    changed = _without("production", image="registry.local:5000/litellm:v1.104.3")
    assert pod(changed, MIGRATION).owner != pod(stack("production"), MIGRATION).owner


def test_a_gateway_without_database_has_nothing_to_migrate_or_to_remember() -> None:
    rendered = _without("production", "database", "redis", "salt_key", "teams")
    assert "gateway-migration" not in {item.name for item in rendered}
    guards = pod(rendered, GATEWAY).spec["initContainers"]
    assert [guard["name"] for guard in guards] == ["engine-key-guard"]
    general = gateway_config(rendered)["general_settings"]
    assert not [key for key in general if "database" in key or "db" in key or "redis" in key]


@pytest.mark.parametrize("name", STACKS)
def test_what_cannot_be_checked_is_refused(name: str) -> None:
    """No budget, no limit and no key is taken for granted while a store is away."""
    general = gateway_config(stack(name))["general_settings"]
    assert general["database_url"] == "os.environ/DATABASE_URL"
    assert general["allow_requests_on_db_unavailable"] is False
    assert general["fail_closed_budget_enforcement"] is True
    assert general["fail_closed_rate_limit_enforcement"] is True
    assert general["enforce_fallback_model_access"] is True
    assert general["store_model_in_db"] is False


def test_lines_of_spend_are_kept_as_long_as_the_document_says() -> None:
    def kept(rendered: tuple[Rendered, ...]) -> str:
        return gateway_config(rendered)["general_settings"]["maximum_spend_logs_retention_period"]

    assert kept(stack("production")) == "30d"
    assert kept(_without("production", observability={"spend_log_days": 90})) == "90d"


@pytest.mark.parametrize(
    ("name", "where", "tls"),
    [
        ("dev", (COUNTERS, "6379", None), False),
        ("production", ("master.akko-litellm.use1.cache.amazonaws.com", "6379", "True"), True),
    ],
)
def test_all_pods_count_in_one_place_by_tls_outside(
    name: str, where: tuple[str, str, str | None], *, tls: bool
) -> None:
    assert gateway_config(stack(name))["general_settings"]["coordination_redis"] == {
        "host": "os.environ/REDIS_HOST",
        "port": "os.environ/REDIS_PORT",
        "password": "os.environ/REDIS_PASSWORD",
        "ssl": tls,
    }
    (container,) = pod(stack(name), GATEWAY).spec["containers"]
    values = _values(container)
    assert tuple(map(values.get, ("REDIS_HOST", "REDIS_PORT", "REDIS_SSL"))) == where


def test_counters_outside_without_tls_are_asked_without() -> None:
    redis = {**document("production")["gateway"]["redis"], "tls": False, "port": 6380}
    rendered = _without("production", redis=redis)
    assert gateway_config(rendered)["general_settings"]["coordination_redis"]["ssl"] is False
    (container,) = pod(rendered, GATEWAY).spec["containers"]
    assert _values(container)["REDIS_SSL"] == "False"
    assert _values(container)["REDIS_PORT"] == "6380"


def test_without_counters_one_pod_counts_for_itself() -> None:
    general = gateway_config(_without("production", "redis", replicas=1))["general_settings"]
    assert "coordination_redis" not in general
    assert "fail_closed_rate_limit_enforcement" not in general


@pytest.mark.parametrize(
    ("password", "written"),
    [
        ("plain-password", "plain-password"),
        ("p@ss:w/rd?#%", "p%40ss%3Aw%2Frd%3F%23%25"),
        ('a"b\\c d', "a%22b%5Cc%20d"),
    ],
)
def test_no_sign_of_a_password_ends_its_place_in_an_address(password: str, written: str) -> None:
    assert database_url("db", password) == f"postgresql://litellm:{written}@db:5432/litellm"


def test_no_sign_of_a_password_ends_its_place_in_a_configuration_file() -> None:
    first, *rest = counters_config('a"b\\" requirepass "', 2).splitlines()
    assert first == 'requirepass "a\\"b\\\\\\" requirepass \\""'
    assert f"maxmemory {3 * 2**29}" in rest
    assert 'save ""' in rest


def test_counters_read_their_password_from_a_file_of_their_secret() -> None:
    made = _secret(stack("dev"), "gateway-counters-password").inputs["stringData"]
    assert f'requirepass "{made["value"]}"\n' in made["valkey.conf"]
    spec = pod(stack("dev"), f"Deployment {COUNTERS}").spec
    (container,) = spec["containers"]
    assert container["args"] == ["/etc/valkey/valkey.conf"]
    (volume,) = [each for each in spec["volumes"] if each["name"] == "config"]
    assert volume["secret"] == {
        "secretName": "akko-litellm-redis",
        "items": [{"key": "valkey.conf", "path": "valkey.conf"}],
    }


def test_the_database_keeps_its_tables_on_a_claim() -> None:
    made = _secret(stack("dev"), "gateway-database-password").inputs["stringData"]
    assert made["url"] == f"postgresql://litellm:{made['value']}@{DATABASE}:5432/litellm"
    spec = pod(stack("dev"), f"Deployment {DATABASE}").spec
    (container,) = spec["containers"]
    assert _references(container) == {"POSTGRES_PASSWORD": ("akko-litellm-database", "value")}
    assert _values(container)["PGDATA"].startswith("/var/lib/postgresql/data/")
    claim = one(stack("dev"), "PersistentVolumeClaim", f"{DATABASE}-data")["spec"]
    assert claim["storageClassName"] == "standard"
    assert claim["resources"]["requests"] == {"storage": "5Gi"}
    assert {"name": "data", "persistentVolumeClaim": {"claimName": f"{DATABASE}-data"}} in (
        spec["volumes"]
    )


@pytest.mark.parametrize("name", [DATABASE, COUNTERS])
def test_two_pods_never_write_to_one_store(name: str) -> None:
    spec = one(stack("dev"), "Deployment", name)["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


@pytest.mark.parametrize("change", [{"source": "config", "secret_name": "own"}])
def test_a_password_of_the_configuration_is_made_into_its_secret(change: dict[str, Any]) -> None:
    value = document("dev")
    value["gateway"]["database"]["password"] = change
    made = _secret(render(value, stack="dev"), "gateway-database-password")
    assert made.inputs["metadata"]["name"] == "own"
    assert made.secret
    assert not [m for i in render(value, stack="dev") for m in analyze(i.type, i.inputs)]
