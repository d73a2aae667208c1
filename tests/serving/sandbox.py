"""Namespaces of the kernel around local processes: what a container runtime gives a container.

A container has a file system of its own, read-only where that is asked for, with its volumes at
their real paths; process ids of its own, so that everything in it ends with its first process; and
the network of its pod, in which every port is free and from which nothing leads out but to sockets
that a test names. A test started by root runs it as the user that it names; otherwise that user is
the caller, who looks like root in there. The image is stood in for by the machine's system folders
and those of an `Image`.
"""

import contextlib
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

_PAUSE = Path(__file__).with_name("pause.py")
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/sys", "/dev")
_THERE = ("/etc/passwd", "/etc/hosts")
"""Files of the machine that a mount hides; their folder cannot be written."""
_TOOLS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class SandboxError(AssertionError):
    """The kernel or its tools do not allow what a container needs; the text says which."""


@dataclass(frozen=True)
class Mount:
    """A volume in a container.

    Attributes:
        path: Where the container sees it.
        source: Folder or file outside; None for one in memory.
        read_only: Whether it cannot be written.
        size: Limit of one in memory, as `mount` writes it, `1073741824`.
    """

    path: str
    source: Path | None
    read_only: bool = False
    size: str = ""


@dataclass(frozen=True)
class Image:
    """What stands in for a container image.

    Attributes:
        programs: Folder of its programs, first on its PATH.
        folders: Folders that it brings beside those of the system, seen at the same paths.
        entrypoint: What runs where a container names no command.
        user_name: Name of its user, for programs that look themselves up.
        elsewhere: What it has at other paths than out here.
        environment: Variables that it sets.
    """

    programs: Path
    folders: tuple[Path, ...]
    entrypoint: tuple[str, ...]
    user_name: str = "app"
    elsewhere: tuple[Mount, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Network:
    """The network of a pod.

    Attributes:
        process: Holds it.
        ports: Loopback port out here by the port in there.
        hosts: What stands in for /etc/hosts in there; None for the machine's own.
    """

    process: subprocess.Popen[str]
    ports: Mapping[int, int]
    hosts: Path | None = None


@cache
def require_namespaces() -> None:
    """Find out whether namespaces can be made here.

    Raises:
        SandboxError: They cannot.
    """
    try:
        done = subprocess.run(
            [*_unshare(), "--net", "--mount", "--pid", "--fork", "true"],
            capture_output=True,
            text=True,
            check=False,
        )
        problem = done.stderr.strip() if done.returncode else ""
    except FileNotFoundError as error:
        problem = str(error)
    if problem:
        raise SandboxError(
            "Rendered pods are run in namespaces of the Linux kernel, which this machine does not "
            f"give: {problem}; run as root, or allow unprivileged user namespaces "
            "(sysctl kernel.unprivileged_userns_clone=1, in a container: --privileged)."
        )


@contextlib.contextmanager
def network(
    ports: Sequence[int], neighbours: Mapping[int, Path] | None = None
) -> Generator[Network]:
    """A network with nothing but a loopback, into which some ports are forwarded.

    Args:
        ports: Ports in there.
        neighbours: Sockets out here by the port that stands for them in there.
    """
    require_namespaces()
    with contextlib.ExitStack() as stack:
        listeners = {port: stack.enter_context(_listener()) for port in ports}
        pairs = [f"{listener.fileno()}:{port}" for port, listener in listeners.items()]
        pairs += [f"{port}={path}" for port, path in (neighbours or {}).items()]
        process = subprocess.Popen(
            [*_unshare(), "--net", sys.executable, str(_PAUSE), *pairs],
            pass_fds=[listener.fileno() for listener in listeners.values()],
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdout is not None
            try:
                if process.stdout.readline() != "ready\n":
                    raise SandboxError("the pod's network did not come up; its words are above")
                yield Network(process, {p: s.getsockname()[1] for p, s in listeners.items()})
            finally:
                process.kill()


def command(
    words: Sequence[str],
    *,
    image: Image,
    mounts: Sequence[Mount],
    network: Network,
    root: Path,
    user: tuple[int, int],
    read_only: bool,
    folder: str = "/",
) -> list[str]:
    """The command line that runs `words` as the first process of a container.

    What it starts is the runtime; the container's first process is its one child.

    Args:
        words: The program and its arguments.
        image: The image.
        mounts: The volumes.
        network: The pod's network.
        root: An empty folder to build the container's root on.
        user: User and group id.
        read_only: Whether the root file system cannot be written.
        folder: Where it starts.
    """
    passwd = root.with_suffix(".passwd")
    passwd.write_text(
        f"root:x:0:0::/root:/bin/sh\n{image.user_name}:x:{user[0]}:{user[1]}::/:/bin/sh\n"
    )
    hosts = network.hosts
    inner = ["env", "-u", "PWD", "-C", folder, *_demote(user), *words]
    lines = [
        "set -e",
        f"mount -t tmpfs -o mode=755 tmpfs {root}",
        *(line for path in _SYSTEM for line in _system(path, root)),
        f"mkdir {root}/proc {root}/tmp",
        f"mount -t proc proc {root}/proc",
        *(
            line
            for path in image.folders
            for line in _mount(Mount(str(path), path, read_only=True), root)
        ),
        *(line for mount in image.elsewhere for line in _mount(mount, root)),
        *_settings(mounts, root),
        *_mount(Mount("/etc/passwd", passwd, read_only=True), root),
        *(_mount(Mount("/etc/hosts", hosts, read_only=True), root) if hosts else ()),
        *(line for mount in sorted(mounts, key=lambda m: m.path) for line in _mount(mount, root)),
        *([f"mount -o remount,bind,ro {root}"] if read_only else []),
        f"exec chroot {root} {shlex.join(inner)}",
    ]
    return [
        *("nsenter", f"--target={network.process.pid}", "--net", *_join_user()),
        *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
        *("sh", "-c", "\n".join(lines)),
    ]


def path_of(image: Image) -> str:
    """The PATH that the image sets."""
    return f"{image.programs}:{_TOOLS}"


def first_process(runtime: subprocess.Popen[bytes]) -> int | None:
    """Id of a container's first process as seen out here; None where it has ended or not begun.

    Args:
        runtime: What `command` started.
    """
    try:
        children = Path(f"/proc/{runtime.pid}/task/{runtime.pid}/children").read_text().split()
    except OSError:
        return None
    return int(children[0]) if children else None


def _unshare() -> tuple[str, ...]:
    return ("unshare",) if os.geteuid() == 0 else ("unshare", "--user", "--map-root-user")


def _join_user() -> tuple[str, ...]:
    return () if os.geteuid() == 0 else ("--user", "--preserve-credentials")


def _demote(user: tuple[int, int]) -> tuple[str, ...]:
    """No capability, no way to gain one, and the user where the caller may become another."""
    # It ends with its runtime: becoming another user undoes what --kill-child of unshare asks for.
    dropped = ("setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")
    dropped = (*dropped, "--pdeathsig=KILL")
    if os.geteuid() != 0:
        return (*dropped, "--")
    return (*dropped, f"--reuid={user[0]}", f"--regid={user[1]}", "--clear-groups", "--")


def _listener() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    return listener


def _system(path: str, root: Path) -> list[str]:
    """A folder of the machine; a link stays one. Devices stay writable, the rest does not."""
    here = Path(path)
    if here.is_symlink():
        return [f"ln -s {here.readlink()} {root}{path}"]
    return _mount(Mount(path, here, read_only=path != "/dev"), root) if here.is_dir() else []


def _settings(mounts: Sequence[Mount], root: Path) -> list[str]:
    """Places for volumes below the machine's /etc, which stays as it is and cannot be written."""
    below = [mount.path for mount in mounts if mount.path.startswith("/etc/")]
    if not below:
        return []
    places = root.with_suffix(".etc")
    for path in below:
        (places / path.removeprefix("/etc/")).mkdir(parents=True)
    return [f"mount -t overlay -o lowerdir={places}:/etc overlay {root}/etc"]


def _mount(mount: Mount, root: Path) -> list[str]:
    target = shlex.quote(f"{root}{mount.path}")
    if mount.source is None:
        size = f",size={mount.size}" if mount.size else ""
        return [f"mkdir -p {target}", f"mount -t tmpfs -o mode=1777{size} tmpfs {target}"]
    source = shlex.quote(str(mount.source))
    make = "mkdir -p" if mount.source.is_dir() else "touch"
    return [
        *([] if mount.path in _THERE else [f"{make} {target}"]),
        f"mount --rbind {source} {target}",
        *([f"mount -o remount,bind,ro {target}"] if mount.read_only else []),
    ]
