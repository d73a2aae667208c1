"""Where the files of one control plane lie, and how a file is written so that it is never half."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

DEFAULT_HOME = Path(__file__).resolve().parents[2] / ".run" / "dev" / "control-plane"
"""Home of the control plane that `make` uses; `.run/` is ignored by git."""


@dataclass(frozen=True)
class Layout:
    """Paths below one home folder."""

    home: Path

    @classmethod
    def of(cls, home: Path) -> "Layout":
        """The layout of a home given in any form; the resolved path is the identity of a home."""
        return cls(home.expanduser().resolve())

    @property
    def lock(self) -> Path:
        """Beside the home, not in it: `down` removes the home while it holds the lock."""
        return self.home.with_name(f"{self.home.name}.lock")

    @property
    def kubeconfig(self) -> Path:
        """For every client: Pulumi, kubectl and our own components."""
        return self.home / "kubeconfig"

    @property
    def ports(self) -> Path:
        """The ports this home prefers; a preference, never a claim that anything listens."""
        return self.home / "ports.json"

    @property
    def etcd_data(self) -> Path:
        """All objects of the cluster."""
        return self.home / "etcd"

    @property
    def ca(self) -> Path:
        """Certificate of the authority that signed the serving certificate."""
        return self.home / "keys" / "ca.crt"

    @property
    def certificate(self) -> Path:
        """The certificate that all servers show, and etcd's only client too."""
        return self.home / "keys" / "serving.crt"

    @property
    def key(self) -> Path:
        """Private key of `certificate`."""
        return self.home / "keys" / "serving.key"

    @property
    def account_key(self) -> Path:
        """Private key that signs service account tokens."""
        return self.home / "keys" / "service-account.key"

    @property
    def account_public_key(self) -> Path:
        """Public half of `account_key`."""
        return self.home / "keys" / "service-account.pub"

    @property
    def tokens(self) -> Path:
        """The API server's token file, with the administrator's random token."""
        return self.home / "keys" / "tokens.csv"

    @property
    def instance_types(self) -> Path:
        """Karpenter's catalogue, generated from `components.core.hardware`."""
        return self.home / "instance-types.json"

    @property
    def lws_folder(self) -> Path:
        """What LeaderWorkerSet's controller reads; it wants its own names for the serving pair."""
        return self.home / "lws"

    @property
    def lws_config(self) -> Path:
        """Configuration of LeaderWorkerSet's controller, as JSON."""
        return self.lws_folder / "config.json"

    def log(self, component: str) -> Path:
        """Output of one component since its last start."""
        return self.home / "logs" / f"{component}.log"


def write(path: Path, text: str) -> None:
    """Write a file that only its owner can read (mode 0600), whole or not at all.

    A file that holds the text already is left alone.

    Raises:
        OSError: The disk is full or the folder cannot be written.
    """
    if path.is_file() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # mkstemp creates with mode 0600; the rename makes the text appear in one step.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
