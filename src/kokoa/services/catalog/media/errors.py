"""What can go wrong with pictures."""

from kokoa.kernel.errors import Conflict, Invalid, NotFound, Throttled, Unavailable


class ImageFormatUnsupported(Invalid):
    """The upload is not in a format that is taken: JPEG, PNG, WebP, AVIF or GIF."""


class ImageDamaged(Invalid):
    """The upload begins like a picture, but cannot be decoded."""


class ImageTruncated(Invalid):
    """The picture ends before all of it is there."""


class ImageEmpty(Invalid):
    """The upload has no bytes, or the picture no pixel."""


class ImageTooLarge(Invalid):
    """The upload has too many bytes, or the picture too many pixels."""


class ImageTooExpensive(Invalid):
    """Decoding the picture took more time or memory than any picture may."""


class InvalidMedia(Invalid):
    """A text or an order of a product's pictures is not acceptable."""


class MediaNotFound(NotFound):
    """This environment has no such picture."""


class UploadNotFound(NotFound):
    """There is no such upload: it was used, is older than a day, or belongs to another environment."""


class TooManyMedia(Conflict):
    """A product has as many pictures as it may have."""


class MediaBeingRemoved(Conflict):
    """The picture's files are being deleted right now; a new upload works in a moment."""


class ImagesBusy(Throttled):
    """As many pictures wait to be decoded as this process lets wait."""


class ImagingFailed(Unavailable):
    """The process that decodes pictures did not do its work, for no reason that lies in the picture."""


class MediaStoreUnavailable(Unavailable):
    """The object storage with the pictures does not answer, or cannot keep any more."""
