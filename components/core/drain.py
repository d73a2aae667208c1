"""The timing chain that lets every stream end before its server does."""

from dataclasses import dataclass

ENDPOINT_REMOVAL_SECONDS = 15
"""Wait before SIGTERM until no proxy routes to the pod any more (KServe uses the same 15 s)."""
ENGINE_MARGIN_SECONDS = 30
"""From the last token to the exit of vLLM: two worker graces of 5 s and teardown were measured to
take 11 s; 30 s leaves room on a loaded node."""
ANSWER_MARGIN_SECONDS = 15
"""By how much each hop towards the client waits longer than the one behind it: the inner one's own
error arrives, in place of a connection that ends."""
IDLE_CONNECTION_SECONDS = 60
"""After which common proxies drop an idle connection to the gateway, and Envoy is told to."""
NODE_MARGIN_SECONDS = 60
"""A node must outlive its pods: Karpenter deletes a pod at once whose grace exceeds the node's."""


@dataclass(frozen=True)
class DrainChain:
    """How long each layer waits, computed once from the longest stream that must survive.

    Attributes:
        longest_stream_seconds: Longest answer that a roll-out may not cut.
    """

    longest_stream_seconds: int

    @property
    def pre_stop_seconds(self) -> int:
        """Sleep before SIGTERM, for servers that finish open streams after it."""
        return ENDPOINT_REMOVAL_SECONDS

    @property
    def abrupt_pre_stop_seconds(self) -> int:
        """Sleep before SIGTERM, for servers that cut open streams on it (Ollama)."""
        return ENDPOINT_REMOVAL_SECONDS + self.longest_stream_seconds

    @property
    def shutdown_timeout_seconds(self) -> int:
        """How long a server goes on with open streams after SIGTERM."""
        return self.longest_stream_seconds

    @property
    def pod_grace_seconds(self) -> int:
        """`terminationGracePeriodSeconds`: endpoint removal + open streams + teardown."""
        return self.pre_stop_seconds + self.shutdown_timeout_seconds + ENGINE_MARGIN_SECONDS

    @property
    def follower_pre_stop_seconds(self) -> int:
        """Sleep before SIGTERM of a pod without clients of its own, whose leader drains meanwhile.

        Ended earlier, it would take its layers away from the leader's open streams.
        """
        return self.pod_grace_seconds

    @property
    def follower_grace_seconds(self) -> int:
        """`terminationGracePeriodSeconds` of such a pod."""
        return self.follower_pre_stop_seconds + ENGINE_MARGIN_SECONDS

    @property
    def node_grace_seconds(self) -> int:
        """`terminationGracePeriod` of a NodePool's nodes, above every pod's."""
        return self.follower_grace_seconds + NODE_MARGIN_SECONDS

    @property
    def request_timeout_seconds(self) -> int:
        """Time-out of gateway and route; a shorter one would cut a stream that may still run."""
        return self.longest_stream_seconds

    @property
    def silence_timeout_seconds(self) -> int:
        """How long the way in waits for the next byte, the first one included.

        A stream that goes on has no end there; one that says nothing is ended by the gateway first.
        """
        return self.request_timeout_seconds + ANSWER_MARGIN_SECONDS

    @property
    def keep_alive_seconds(self) -> int:
        """How long the gateway keeps an idle connection: longer than whatever stands before it.

        An ALB has one idle time-out for both sides, and answers 502 where the gateway closes first.
        """
        return max(
            self.silence_timeout_seconds + ANSWER_MARGIN_SECONDS,
            IDLE_CONNECTION_SECONDS + ANSWER_MARGIN_SECONDS,
        )
