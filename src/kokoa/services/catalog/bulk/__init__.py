"""Many products at once: upserts by external reference, pages for exports, and the feed of changes."""
