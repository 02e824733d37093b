"""Facts that taxes tells others."""

from kokoa.postgres import Event


class TaxSettingsChanged(Event, frozen=True, kw_only=True):
    """What holds where nothing else is said has changed."""

    version: int

    def key(self) -> str:
        return "settings"


class TaxCategoryChanged(Event, frozen=True, kw_only=True):
    """A category was put or deleted."""

    category: str
    version: int
    deleted: bool = False

    def key(self) -> str:
        return self.category


class TaxZoneChanged(Event, frozen=True, kw_only=True):
    """A zone was put or deleted."""

    zone: str
    version: int
    deleted: bool = False

    def key(self) -> str:
        return self.zone


class TaxRateChanged(Event, frozen=True, kw_only=True):
    """A rate was put or deleted."""

    rate: str
    version: int
    deleted: bool = False

    def key(self) -> str:
        return self.rate


class TaxCategoriesOfSkusChanged(Event, frozen=True, kw_only=True):
    """Articles have other categories.  skus: at most 1,000."""

    skus: list[str]

    def key(self) -> str:
        return "skus"
