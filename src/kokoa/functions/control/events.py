"""What happened to functions and HTTP APIs. Route tables and function hosts follow these."""

from kokoa.postgres import Event


class FunctionChanged(Event, frozen=True, kw_only=True):
    """What every event about a function says."""

    account_id: str
    function_name: str

    def key(self) -> str:
        """Events about one function keep their order."""
        return f"{self.account_id}/{self.function_name}"


class FunctionCreated(FunctionChanged, frozen=True, kw_only=True):
    """A function is there and can be invoked."""

    revision_id: str


class FunctionUpdated(FunctionChanged, frozen=True, kw_only=True):
    """Code or configuration changed; sandboxes of older revisions are not to be used any more."""

    revision_id: str


class FunctionDeleted(FunctionChanged, frozen=True, kw_only=True):
    """The function is gone."""


class PermissionChanged(FunctionChanged, frozen=True, kw_only=True):
    """The function's resource policy changed."""


class ApiEvent(Event, frozen=True, kw_only=True):
    """What every event about an HTTP API says."""

    account_id: str
    api_id: str
    api_name: str

    def key(self) -> str:
        """Events about one API keep their order."""
        return self.api_id


class ApiCreated(ApiEvent, frozen=True, kw_only=True):
    """An API is there."""


class ApiUpdated(ApiEvent, frozen=True, kw_only=True):
    """The API's routes, integrations or stages changed."""


class ApiDeleted(ApiEvent, frozen=True, kw_only=True):
    """The API and all its routes are gone."""
