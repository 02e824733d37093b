"""Money: the minor units of ISO 4217's currencies."""

import pytest

from kokoa.kernel.money import CURRENCIES, exponent_of, major_units

# ISO 4217:2015, list one, column "Minor unit".
WHOLE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
THOUSANDTHS = "BHD IQD JOD KWD LYD OMR TND"


@pytest.mark.parametrize("currency", sorted(CURRENCIES))
def test_minor_units_are_those_of_the_standard(currency: str) -> None:
    exponent = 0 if currency in WHOLE else 3 if currency in THOUSANDTHS else 2
    assert exponent_of(currency) == exponent
    assert major_units(123_456, currency) == round(123_456 / 10**exponent, exponent)
