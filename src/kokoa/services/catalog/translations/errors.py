"""What can go wrong with locales, translations and SEO."""

from kokoa.kernel.errors import Conflict, Invalid, NotFound


class InvalidLocale(Invalid):
    """The text is not a locale such as de or de-CH, or it is the default one, whose texts are the product's own."""


class InvalidLocales(Invalid):
    """The locales of an environment, as given, do not fit together."""


class LocaleNotFound(NotFound):
    """The environment has no such locale; setLocales adds it."""


class LocaleInUse(Conflict):
    """A locale that still has translations can neither go nor become the default."""


class InvalidTranslation(Invalid):
    """A translated text is not acceptable."""


class InvalidSeo(Invalid):
    """A title, description or path for search engines is not acceptable."""
