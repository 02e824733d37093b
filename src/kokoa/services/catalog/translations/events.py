"""Facts about locales and texts that catalog tells others; a product's are ProductUpdated."""

from kokoa.postgres import Event
from kokoa.services.catalog.events import CategoryEvent


class LocalesChanged(Event, frozen=True, kw_only=True):
    """An environment has other locales, or they fall back otherwise."""

    default: str

    def key(self) -> str:
        return "locales"


class CategoryTextsChanged(CategoryEvent, frozen=True, kw_only=True):
    """A category's translations or its texts for search engines changed."""
