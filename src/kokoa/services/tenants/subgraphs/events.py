"""Facts about subgraphs that tenants tells others."""

from kokoa.postgres import Event


class SubgraphPublished(Event, frozen=True, kw_only=True):
    """A subgraph is live in a new version."""

    subgraph: str
    account_id: str
    version: int
    sha256: str

    def key(self) -> str:
        return self.subgraph


class SubgraphWithdrawn(Event, frozen=True, kw_only=True):
    """A subgraph is live no more. version: that of the withdrawal."""

    subgraph: str
    account_id: str
    version: int

    def key(self) -> str:
        return self.subgraph
