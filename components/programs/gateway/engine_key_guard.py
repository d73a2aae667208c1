"""Keeps a pod of the gateway back until its engines know the keys that it would bring.

A key that was put into an engine's Secret a moment ago arrives in its pods within two minutes; a
gateway that used it before would refuse what its predecessor answers.

    engine_key_guard.py VARIABLE http://engine:8000/v1 ...

Exit codes: 0 every engine that answers at all knows its key, 1 one does not.
"""

import os
import sys
import time
import urllib.error
import urllib.request

_IN_A_ROW = 20
"""Connections of their own, which a Service shares out among an engine's pods."""
_WAIT_SECONDS = 300
"""The kubelet renews Secrets within its sync period, a minute, and what it caches."""
_PAUSE_SECONDS = 2
_TIMEOUT_SECONDS = 10
_UNKNOWN_KEY = frozenset({401, 403})


def knows(url: str, key: str) -> bool:
    """Whether an engine takes a key; one that is down is not asked about keys."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):
            return True
    except urllib.error.HTTPError as error:
        error.close()  # it is an open answer
        return error.code not in _UNKNOWN_KEY
    except OSError:
        return True


def await_knowing(url: str, key: str) -> bool:
    """Ask until an engine takes a key, or for as long as a Secret may be on its way."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while not all(knows(url, key) for _ in range(_IN_A_ROW)):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE_SECONDS)
    return True


def main(arguments: list[str]) -> int:
    """Wait for each engine, and say which one does not know its key."""
    for variable, base in zip(arguments[::2], arguments[1::2], strict=True):
        if not await_knowing(f"{base}/models", os.environ[variable]):
            print(
                f"{base} does not take the key of this gateway: put it into the Secret that the "
                "model's api_key names, or name another entry there",
                file=sys.stderr,
            )
            return 1
    print("every engine takes the key of this gateway")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
