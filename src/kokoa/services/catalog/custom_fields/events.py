"""Facts about custom fields. That a product's values changed is a ProductUpdated, as of any other part of it."""

from kokoa.postgres import Event
from kokoa.services.catalog.events import CategoryEvent


class CustomFieldEvent(Event, frozen=True, kw_only=True):
    """What all of them have.  on: PRODUCT, VARIANT or CATEGORY.  field_key: the field's name in the schema."""

    on: str
    field_key: str

    def key(self) -> str:
        return f"{self.on}.{self.field_key}"


class CustomFieldDefined(CustomFieldEvent, frozen=True, kw_only=True):
    """The environment's schema has a field more."""


class CustomFieldChanged(CustomFieldEvent, frozen=True, kw_only=True):
    """The field is of another form."""


class CustomFieldRemoved(CustomFieldEvent, frozen=True, kw_only=True):
    """The environment's schema has the field no longer, and its values are gone."""


class CategoryCustomized(CategoryEvent, frozen=True, kw_only=True):
    """Values of a category's custom fields changed."""
