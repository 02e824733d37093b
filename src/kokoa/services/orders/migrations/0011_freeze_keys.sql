-- By which a placement's cart is frozen; null for its id, as it was before.
ALTER TABLE placements ADD COLUMN freeze_key text COLLATE "C";
