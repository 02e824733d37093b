"""Pictures of products: uploads, renditions, their order and texts, and the removal of what nobody shows."""
