"""search-plus: takes over the store's search, and shows affordable things first.

It asks the store's own graph through APP_LOAD_BALANCER_URL; no key is needed there, because the sandbox's channel
already says whose function this is. Nothing but Python's standard library is used, so a zip of this file is enough.
"""

import json
import os
import urllib.error
import urllib.request
from urllib.parse import parse_qs

QUERY = """
query SearchPlus($q: String!) {
  search(q: $q, limit: 50) {
    total
    items { id name slug price currency }
  }
}
"""


def handler(event, context):
    """API Gateway payload format 2.0 in and out: GET /api/search?q=…"""
    words = parse_qs(event.get("rawQueryString", "")).get("q", [""])[0]
    if not words.strip():
        return answer(400, {"message": "q is missing: say what you are looking for"})
    found, errors = ask_store(QUERY, {"q": words})
    if errors:
        print(f"the store refused {words!r}: {errors}")
        return answer(502, {"message": "The store could not search."})
    items = sorted(found["search"]["items"], key=lambda product: product["price"] or 0)
    print(f"search-plus ranked {len(items)} products for {words!r}")
    return answer(200, {"total": found["search"]["total"], "items": items, "rankedBy": "search-plus"})


def ask_store(query, variables):
    """(data, errors) of a query to the store's own GraphQL API."""
    request = urllib.request.Request(
        os.environ["APP_LOAD_BALANCER_URL"] + "/graphql",
        data=json.dumps({"query": query, "variables": variables}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            result = json.load(response)
    except urllib.error.HTTPError as error:
        return None, error.read().decode()
    return result.get("data"), result.get("errors")


def answer(status, body):
    """A response in the form that API Gateway expects."""
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        "body": json.dumps(body),
    }
