"""What a partner adds to an environment's graph, as the gateway needs it. Immutable."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from kokoa.kernel.overrides import OverridePolicy

Target = Literal["fields", "function", "url"]
"""fields: a function that is asked for one field of a whole level (docs/reference/field-functions.md).
function: a GraphQL server in a function.  url: a GraphQL server elsewhere."""


class Extension(msgspec.Struct, frozen=True):
    """One published subgraph.

    name: of the subgraph, unique in the environment.  account_id, partner: whose it is.  sdl: as it is composed.
    function: its name in the account, for targets `fields` and `function`.  url: for target `url`.
    policies: by field, as in `Product.price`, for those that override; a field without one has the default.
    """

    name: str
    account_id: str
    partner: str
    sdl: str
    target: Target
    function: str = ""
    url: str = ""
    policies: Mapping[str, OverridePolicy] = {}
