"""search owns the index: it answers which products fit some words. The products themselves are catalog's."""
