"""What is checked before a stack goes to the user's own cluster: seconds, and no change yet."""

import os
import shutil
from pathlib import Path

import httpx

from components.cluster import WrongClusterError, check_cluster, server_of
from components.document import DocumentError, read_document
from tools.embedded_stack import stack_document
from tools.problem import ToolError

_ANSWER_SECONDS = 5


def check_own_cluster(stack: str, context: str, source: Path) -> None:
    """The document is for this context, the cluster answers, and state has a place.

    Raises:
        ToolError: With the key or variable to change.
    """
    config = stack_document(source, stack).get("config", {})
    try:
        document = read_document(config.get("inference:platform"))
        if document.cluster.context != context:
            raise ToolError(
                f"CONTEXT is {context!r}, but the stack {stack} is for the context "
                f"{document.cluster.context!r}: change CONTEXT, or "
                f"inference:platform.cluster.context in Pulumi.{stack}.yaml"
            )
        check_cluster(document.cluster, preview=False)
    except (DocumentError, WrongClusterError) as error:
        raise ToolError(str(error)) from error
    _check_answer(context)
    _check_state()


def _check_state() -> None:
    if not shutil.which("pulumi") and "PULUMI_BACKEND_URL" not in os.environ:
        raise ToolError(
            "there is no place for the state of a real cluster: set PULUMI_BACKEND_URL (for "
            "instance s3://bucket, or file:///a/folder/that/is/backed/up) and "
            "PULUMI_CONFIG_PASSPHRASE"
        )


def _check_answer(context: str) -> None:
    """Any answer will do, a refusal too; no credential is sent, so none has to be verified."""
    server = server_of(context)
    try:
        httpx.get(f"{server}/readyz", verify=False, timeout=_ANSWER_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ToolError(
            f"the cluster of context {context!r}, {server}, does not answer ({error}): check the "
            "network, its address in the kubeconfig, and whether it runs"
        ) from error
