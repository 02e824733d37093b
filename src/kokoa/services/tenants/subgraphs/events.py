"""Facts about subgraphs that tenants tells others."""

from kokoa.postgres import Event


class SubgraphPublished(Event, frozen=True, kw_only=True):
    """A subgraph is live in a new version.  needs: what it takes of the graph, and what the version before took."""

    subgraph: str
    account_id: str
    version: int
    sha256: str
    needs: list[str]

    def key(self) -> str:
        return self.subgraph


class SubgraphWithdrawn(Event, frozen=True, kw_only=True):
    """A subgraph is live no more. version: that of the withdrawal.  needs: what it took of the graph."""

    subgraph: str
    account_id: str
    version: int
    needs: list[str]

    def key(self) -> str:
        return self.subgraph
