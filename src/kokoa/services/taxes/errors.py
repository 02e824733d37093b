"""What can go wrong in taxes."""

from kokoa.kernel.errors import Conflict, Invalid, NotFound


class InvalidTaxInput(Invalid):
    """What is to be taxed is not acceptable; the field says where."""


class InvalidTaxConfiguration(Invalid):
    """A category, zone, rate or setting is not acceptable; the field says where."""


class InvalidTaxPage(Invalid):
    """A page's limit or place is out of bounds."""


class TaxCategoryNotFound(NotFound):
    """This environment has no such tax category."""


class TaxZoneNotFound(NotFound):
    """This environment has no such tax zone."""


class TaxRateNotFound(NotFound):
    """This environment has no such tax rate."""


class TaxConfigurationChanged(Conflict):
    """Somebody changed this since it was read; the message says what."""


class TaxPlaceTaken(Conflict):
    """Another zone has this place."""


class TaxCategoryInUse(Conflict):
    """A rate, an article or the settings name the category."""


class TaxZoneInUse(Conflict):
    """The zone has rates."""


class TooManyTaxes(Conflict):
    """The environment has as many of these as it may have."""
