"""What can go wrong with custom fields."""

from kokoa.kernel.errors import Conflict, Invalid, NotFound, Unavailable


class InvalidCustomField(Invalid):
    """A custom field cannot be declared so; the field of the error says which part is wrong."""


class CustomFieldNotFound(NotFound):
    """This environment has no such custom field."""


class CustomFieldExists(Conflict):
    """A custom field of this key, or of one too like it, is there already."""


class TooManyCustomFields(Conflict):
    """The environment has as many custom fields, or values of enums, as it may have."""


class CustomFieldHasValues(Conflict):
    """Values would be lost; say `removeValues: true` if they may be."""


class CustomFieldInUse(Conflict):
    """Registered operations ask for the field; the message names them."""


class CustomFieldsChanged(Conflict):
    """Somebody changed the environment's custom fields at the same time; trying again may help."""


class SchemaNotComposable(Invalid):
    """With this field the environment's graph would not be one; the message says why."""


class InvalidCustomValue(Invalid):
    """A value of a custom field is not acceptable; the field of the error says which."""


class CustomValueMissing(Invalid):
    """A required custom field would be without a value."""


class SchemaOutdated(Unavailable):
    """The environment's schema changed long ago, and this version of it is not kept; send the request again."""
