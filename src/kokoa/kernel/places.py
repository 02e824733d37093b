"""Where things go, and the places that zones are made of: countries, regions, beginnings of postal codes. Pure."""

import re
from collections.abc import Sequence

import msgspec

from kokoa.kernel.errors import Invalid
from kokoa.kernel.text import is_plain

PLACES_MAX = 1_000
REGION_MAX, TEXT_MAX, PREFIX_MAX = 64, 200, 12

_COUNTRY = re.compile(r"[A-Z]{2}")
_PREFIX = re.compile(r"[A-Z0-9]{1,12}")


class InvalidPlace(Invalid):
    """A destination, or a zone's place, is not one; the field says where."""


class Place(msgspec.Struct, frozen=True, order=True):
    """A part of a zone.  region, postal_prefix: '' for any; in capitals."""

    country: str
    region: str
    postal_prefix: str


class Destination(msgspec.Struct, frozen=True):
    """In capitals; postal codes without spaces and hyphens. '' for what is not known."""

    country: str
    region: str
    postal_code: str

    @property
    def prefixes(self) -> list[str]:
        """All beginnings of the postal code that a place may have, the empty one first."""
        return [self.postal_code[:length] for length in range(min(len(self.postal_code), PREFIX_MAX) + 1)]


class Precision(msgspec.Struct, frozen=True):
    """What the places of a country ask of a destination in it.  postal_length: of the postal code's beginning."""

    by_region: bool
    postal_length: int

    def of(self, destination: Destination) -> Destination:
        """The destination without what decides nothing: all that have the same left are in the same zone."""
        region = destination.region if self.by_region else ""
        return Destination(destination.country, region, destination.postal_code[: self.postal_length])


def is_country(text: str) -> bool:
    """Whether it has the form of an ISO 3166-1 alpha-2 code: two capitals."""
    return bool(_COUNTRY.fullmatch(text))


def read_destination(
    country: str, region: str | None, postal_code: str | None, field: str = "destination"
) -> Destination:
    """Raises InvalidPlace, which names the field."""
    if not is_country(country):
        raise InvalidPlace("country is two capitals, such as FI.", field=f"{field}.country")
    for name, text in (("region", region), ("postalCode", postal_code)):
        if text is not None and (len(text) > TEXT_MAX or not is_plain(text)):
            raise InvalidPlace(f"{name} has at most {TEXT_MAX} characters and no NUL.", field=f"{field}.{name}")
    return Destination(country, _region(region), _postal_code(postal_code))


def read_places(given: Sequence[tuple[str, str | None, str | None]], field: str = "places") -> tuple[Place, ...]:
    """given: country, region and beginning of the postal codes of each. Sorted. Raises InvalidPlace."""
    if not 1 <= len(given) <= PLACES_MAX:
        raise InvalidPlace(f"A zone has 1 to {PLACES_MAX:,} places, not {len(given):,}.", field=field)
    found: dict[Place, int] = {}
    for index, (country, region, prefix) in enumerate(given):
        at = f"{field}.{index}"
        if not is_country(country):
            raise InvalidPlace("country is two capitals, such as FI.", field=f"{at}.country")
        place = Place(country, _region(region), _postal_code(prefix))
        if len(place.region) > REGION_MAX or not is_plain(place.region):
            raise InvalidPlace(f"region has at most {REGION_MAX} characters and no NUL.", field=f"{at}.region")
        if place.postal_prefix and not _PREFIX.fullmatch(place.postal_prefix):
            raise InvalidPlace(
                f"postalCodePrefix has 1 to {PREFIX_MAX} letters and digits.", field=f"{at}.postalCodePrefix"
            )
        if found.setdefault(place, index) != index:
            raise InvalidPlace(f"Places {found[place]} and {index} are the same.", field=at)
    return tuple(sorted(found))


def _region(text: str | None) -> str:
    return (text or "").strip().upper()


def _postal_code(text: str | None) -> str:
    return re.sub(r"[\s-]", "", text or "").upper()
