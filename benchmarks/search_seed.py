"""Documents of a search index, made by PostgreSQL itself: a hundred thousand in some seconds.

Names are `<adjective> <material> <thing> <number>`, of 32 adjectives, 20 materials and 100 things; descriptions have
25 words of 2,000, the frequent ones more often. Prices go from 1.00 to 2,000.00 EUR, in 40 categories on two levels.
"""

import asyncpg

ADJECTIVES = (
    "ancient", "bold", "bright", "calm", "clever", "compact", "cosy", "crisp", "curved", "dark", "deep",
    "elegant", "famous", "fine", "folding", "gentle", "golden", "grand", "heavy", "hollow", "humble", "large",
    "light", "little", "lively", "long", "modern", "narrow", "noble", "old", "plain", "polished", "proud",
    "quiet", "round", "rustic", "sharp", "silver", "simple", "smooth",
)  # fmt: skip
MATERIALS = (
    "ash", "bamboo", "birch", "brass", "bronze", "ceramic", "copper", "cork", "cotton", "felt", "glass",
    "iron", "leather", "linen", "marble", "oak", "pine", "steel", "stone", "wool",
)  # fmt: skip
THINGS = (
    "armchair", "barrel", "basket", "bench", "blanket", "board", "bookcase", "bottle", "bowl", "box",
    "bracket", "brush", "bucket", "cabinet", "candle", "carafe", "chair", "chest", "clock", "coaster",
    "couch", "cradle", "crate", "cup", "curtain", "cushion", "desk", "dish", "divider", "door", "drawer",
    "dresser", "easel", "fan", "fork", "frame", "grill", "hammock", "hanger", "hook", "jar", "jug", "kettle",
    "knife", "ladder", "ladle", "lamp", "lantern", "lid", "mat", "mattress", "mirror", "mug", "napkin",
    "oven", "painting", "pan", "pencil", "picture", "pillow", "pitcher", "planter", "plate", "platter",
    "poster", "pot", "pouf", "quilt", "rack", "rail", "razor", "ring", "rug", "saucer", "scale", "screen",
    "shelf", "shower", "sink", "sofa", "spoon", "stand", "stool", "stove", "swing", "table", "tablet", "tap",
    "teapot", "throw", "tile", "torch", "towel", "toy", "tray", "trunk", "vase", "wardrobe", "whisk",
)  # fmt: skip

_SEED = """
WITH made AS (
    SELECT n, md5($2::text || n)::uuid AS product_id,
           initcap(($3::text[])[1 + (hashint4(n) & 31)])
               || ' ' || ($4::text[])[1 + (hashint4(n + 7) & 1023) % cardinality($4::text[])]
               || ' ' || ($5::text[])[1 + (hashint4(n + 13) & 65535) % cardinality($5::text[])] || ' ' || n AS name,
           (SELECT string_agg('word' || floor(2000 * power((hashint4(n * 31 + k) & 65535) / 65536.0, 3)), ' ')
              FROM generate_series(1, 25) AS k) AS description,
           'section-' || (hashint4(n + 5) & 1023) % 5 AS section,
           (hashint4(n + 17) & 1023) % 8 AS shelf
      FROM generate_series(1, $6::integer) AS n
), worded AS (
    SELECT *, setweight(to_tsvector('simple', name), 'A') AS name_words FROM made
)
INSERT INTO documents (environment_id, generation_id, product_id, version, name, name_key, name_words, words,
                       category_paths, currency, price_minor, created_at)
SELECT $1, g.id, product_id, 1, name, lower(name), name_words,
       name_words || setweight(to_tsvector('simple', 'sku ' || n), 'B')
           || setweight(to_tsvector('simple', section), 'C') || setweight(to_tsvector('simple', description), 'D'),
       ARRAY[section, section || '/shelf-' || shelf], 'EUR', 100 + (hashint4(n + 3) & 1048575) % 199901,
       now() - n * interval '1 minute'
  FROM worded, generations g WHERE g.environment_id = $1 AND g.state = 'serving'
"""
_VOCABULARY = """
INSERT INTO vocabulary (environment_id, generation_id, word)
SELECT $1, g.id, word
  FROM generations g, unnest($2::text[]) AS word WHERE g.environment_id = $1 AND g.state = 'serving'
"""
_LEXEMES = """
INSERT INTO lexemes (environment_id, generation_id, lexeme)
SELECT DISTINCT environment_id, generation_id, up_to_digit(word)
  FROM (SELECT DISTINCT d.environment_id, d.generation_id, word
          FROM documents d, unnest(tsvector_to_array(d.words)) AS word
         WHERE d.environment_id = $1 AND word >= ':' COLLATE "C") w
"""
_GENERATION = "INSERT INTO generations (environment_id, state, language) VALUES ($1, 'serving', 'simple')"


async def seed_documents(admin: asyncpg.Connection, environment_id: str, count: int) -> None:
    """admin: a connection of the server's owner, whom row-level security does not bind."""
    await admin.execute("SET search_path = search, public")
    await admin.execute(_GENERATION, environment_id)
    await admin.execute(_SEED, environment_id, environment_id, ADJECTIVES, MATERIALS, THINGS, count)
    await admin.execute(_VOCABULARY, environment_id, sorted({*ADJECTIVES, *MATERIALS, *THINGS}))
    await admin.execute(_LEXEMES, environment_id)
    await admin.execute("VACUUM (ANALYZE) search.documents, search.vocabulary, search.lexemes")
