import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.control_plane.errors import ControlPlaneError
from tools.control_plane.ports import (
    LOOPBACK,
    check_fixed,
    choose,
    fixed_port,
    free_ports,
    is_free,
    remembered,
)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind((LOOPBACK, 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports(8)
    assert len(set(ports)) == 8
    assert all(is_free(port) for port in ports)


def test_a_port_that_someone_listens_on_is_not_free(taken: int) -> None:
    assert not is_free(taken)


def test_a_live_process_keeps_its_port_and_a_free_preference_is_kept(taken: int) -> None:
    (preferred,) = free_ports(1)
    chosen = choose(["alive", "dead"], {"alive": taken}, {"alive": 1, "dead": preferred})
    assert chosen == {"alive": taken, "dead": preferred}


def test_a_preference_that_another_program_took_is_replaced(taken: int) -> None:
    chosen = choose(["dead"], {}, {"dead": taken})
    assert chosen["dead"] != taken
    assert is_free(chosen["dead"])


def test_two_components_never_share_a_port() -> None:
    (port,) = free_ports(1)
    chosen = choose(["a", "b", "c"], {}, {"a": port, "b": port})
    assert len(set(chosen.values())) == 3


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '{"etcd": "no number"}'])
def test_a_damaged_file_of_ports_counts_as_no_preference(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ports.json"
    path.write_text(text)
    assert remembered(path) == {}
    assert remembered(tmp_path / "absent") == {}


def test_a_taken_fixed_port_is_refused_in_one_sentence_that_names_it(taken: int) -> None:
    with pytest.raises(ControlPlaneError, match=rf"Port {taken} .*already taken.*--api-port"):
        check_fixed(taken, listening=None)


def test_a_fixed_port_that_our_own_api_server_holds_is_fine(taken: int) -> None:
    check_fixed(taken, listening=taken)


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", "1.5", "²"])
def test_what_is_no_port_number_is_refused_with_the_possible_range(text: str) -> None:
    with pytest.raises(ControlPlaneError, match="choose one from 1 to 65535"):
        fixed_port(text)


def test_no_wish_is_no_fixed_port() -> None:
    assert fixed_port(None) is None
    assert fixed_port("") is None
    assert fixed_port("6443") == 6443
