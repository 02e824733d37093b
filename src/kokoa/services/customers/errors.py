"""What can go wrong with customers."""

from kokoa.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Throttled, Unauthenticated


class InvalidCustomer(Invalid):
    """A field of a customer is not acceptable; the field says which."""


class InvalidPassword(Invalid):
    """A new password is too short, too long or too common."""


class InvalidVatNumber(Invalid):
    """This is no VAT number of the country that it begins with."""


class InvalidGroup(Invalid):
    """A group's key or name is not acceptable."""


class InvalidCompany(Invalid):
    """A field of a company is not acceptable; the field says which."""


class InvalidCustomerPage(Invalid):
    """A page's limit or cursor is out of bounds."""


class SignInFailed(Unauthenticated):
    """E-mail address and password do not belong together, or the account is disabled."""


class NotSignedIn(Unauthenticated):
    """Only a customer who is signed in may do this."""


class ProofInvalid(Unauthenticated):
    """The token from the e-mail is wrong, was used, or is too old."""


class TooManySignIns(Throttled):
    """Too many wrong passwords for this account, or too many sign-ins at once."""


class CompanyRoleMissing(Forbidden):
    """Only an admin of the company may do this."""


class CustomerNotFound(NotFound):
    """This environment has no such customer."""


class CustomerAddressNotFound(NotFound):
    """The customer has no such address."""


class GroupNotFound(NotFound):
    """This environment has no such group."""


class CompanyNotFound(NotFound):
    """This environment has no such company, or the customer is not of it."""


class EmailTaken(Conflict):
    """Another customer has this e-mail address."""


class CustomerReferenceTaken(Conflict):
    """Another customer has this external reference."""


class CustomerChanged(Conflict):
    """Somebody changed the customer since it was read."""


class TooManyAddresses(Conflict):
    """The customer has as many addresses as they may have."""


class GroupKeyTaken(Conflict):
    """Another group has this key."""


class GroupInUse(Conflict):
    """A group with members cannot be deleted."""


class TooManyGroups(Conflict):
    """The environment has as many groups as it may have."""


class CompanyTaken(Conflict):
    """Another company has this VAT number or external reference."""


class CompanyChanged(Conflict):
    """Somebody changed the company since it was read."""


class TooManyEmployees(Conflict):
    """The company has as many people as it may have."""


class LastAdmin(Conflict):
    """A company needs somebody who may manage it."""
