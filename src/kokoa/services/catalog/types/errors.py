"""What can go wrong with product types, attributes and options."""

from kokoa.kernel.errors import Conflict, Invalid, NotFound


class ProductTypeNotFound(NotFound):
    """This environment has no such product type."""


class ProductTypeChanged(Conflict):
    """Somebody changed the product type since it was read."""


class ProductTypeInUse(Conflict):
    """A product type that products have cannot be deleted."""


class ProductTypeTooLarge(Conflict):
    """More products and variants would have to be looked at than can be in one step."""


class TooManyProductTypes(Conflict):
    """The environment has as many product types as it may have."""


class InvalidProductType(Invalid):
    """A product type or one of its attribute definitions is not acceptable; the field says where."""


class ValuesInTheWay(Conflict):
    """Products have values that the product type would allow no longer."""


class UnknownProductType(Invalid):
    """A product names a type that this environment does not have."""


class NoProductType(Invalid):
    """A product has no type, so it can have no attributes."""


class UnknownAttribute(Invalid):
    """The product's type has no such attribute."""


class WrongAttributeLevel(Invalid):
    """An attribute of products was given to a variant, or the other way round."""


class AttributeGivenTwice(Invalid):
    """One attribute, or one value of a list, stands twice."""


class AttributeMissing(Invalid):
    """An attribute that the type requires has no value."""


class WrongAttributeValue(Invalid):
    """A value is not of the attribute's type."""


class AttributeOutOfRange(Invalid):
    """A value is too small, too large, too short or too long, or a list has too many values."""


class PatternNotMatched(Invalid):
    """A text does not have the form that the attribute's pattern asks for."""


class UnknownEnumValue(Invalid):
    """The attribute declares no such value."""


class UnknownReference(Invalid):
    """A value refers to a product that this environment does not have."""


class AttributeValueTaken(Conflict):
    """Another product or variant of this type has the value, which is to be unique."""


class InvalidOption(Invalid):
    """An option of a product is not acceptable."""


class UnknownOption(Invalid):
    """The product has no such option."""


class UnknownOptionValue(Invalid):
    """The option has no such value."""


class OptionMissing(Invalid):
    """A variant names no value for one of its product's options."""


class SameOptions(Invalid):
    """Two variants of a product have the same value of every option."""
