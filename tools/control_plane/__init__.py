"""The embedded control plane: real etcd, API server, controllers and scheduler, simulated nodes.

`up` makes it run and repairs what is broken, `down` removes it without a trace, `status` looks.
"""

from tools.control_plane.credentials import CONTEXT
from tools.control_plane.errors import ControlPlaneError
from tools.control_plane.layout import DEFAULT_HOME
from tools.control_plane.lifecycle import ControlPlane, down, up
from tools.control_plane.ports import fixed_port
from tools.control_plane.report import ComponentStatus, connect, status

__all__ = [
    "CONTEXT",
    "DEFAULT_HOME",
    "ComponentStatus",
    "ControlPlane",
    "ControlPlaneError",
    "connect",
    "down",
    "fixed_port",
    "status",
    "up",
]
