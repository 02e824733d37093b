"""The graph engine against graphql-core's executor, over generated schemas, data, operations and failures.

    schemas.py      a random schema: SDL and the plan that the other rooms read
    literals.py     values for input types: literals, JSON, wrong ones
    operations.py   a random document that is valid for a schema, with variables
    data.py         what resolvers answer: a hash of (seed, object, field, arguments), so both executors see the same
    executors.py    graphql-core's answer and ours, in one comparable shape
    cases.py        all of it together, and the difference of a case
    features.py     which parts of the language a case exercises
    seeded_bugs.py  one-line mistakes in the engine; the comparison must find each

By hand, from the root of the checkout: `PYTHONPATH=tests/unit/graphql python -m differential --cases 20000`.
"""
