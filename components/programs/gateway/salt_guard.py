"""Ends a deployment whose salt key is another one than the database was set up with.

LiteLLM encrypts with its salt key what the database keeps secret; with another one nothing of it
can be read again. The first deployment leaves a fingerprint, and each later one is held against it.
Exit codes: 0 the same, 1 another one, or the database does not answer.
"""

import hashlib
import hmac
import os
import sys

import psycopg

_SCHEMA = "inference_platform"
"""Of its own: LiteLLM's migrations know every table of `public`, and remove what is not theirs."""
_PURPOSE = b"inference-platform: which salt key this database is encrypted with"


def fingerprint(salt: str) -> str:
    """What tells salts apart without telling them."""
    return hmac.new(salt.encode(), _PURPOSE, hashlib.sha256).hexdigest()


def remembered(url: str, mark: str) -> str:
    """The fingerprint in the database; `mark` itself where none has been there.

    Raises:
        psycopg.Error: The database cannot be used.
    """
    with psycopg.connect(url, connect_timeout=10) as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_SCHEMA}")
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {_SCHEMA}.salt"
            " (only_row bool PRIMARY KEY CHECK (only_row), fingerprint text NOT NULL)"
        )
        connection.execute(
            f"INSERT INTO {_SCHEMA}.salt VALUES (true, %s) ON CONFLICT DO NOTHING", (mark,)
        )
        row = connection.execute(f"SELECT fingerprint FROM {_SCHEMA}.salt").fetchone()
    return str(row[0]) if row else mark


def main() -> int:
    """Compare, and say what to do."""
    mark = fingerprint(os.environ["LITELLM_SALT_KEY"])
    try:
        known = remembered(os.environ["DATABASE_URL"], mark)
    except psycopg.Error as error:
        # Its text may hold the address, and so the password; the class of the fault is enough.
        print(f"the gateway's database does not answer ({type(error).__name__})", file=sys.stderr)
        return 1
    if not hmac.compare_digest(known, mark):
        print(
            "gateway.salt_key is another one than the database is encrypted with, and nothing in "
            "it could be read again: put the former value back into the Secret, or give the "
            "gateway an empty database",
            file=sys.stderr,
        )
        return 1
    print("the salt key is the one that the database is encrypted with")
    return 0


if __name__ == "__main__":
    sys.exit(main())
