"""The worked example of docs/explanation/federation.md is what the planner really does."""

import re
from pathlib import Path

from gateway_fakes import composed, planned

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "federation.md"


def test_the_example_is_planned_as_the_page_says() -> None:
    blocks = re.findall(r"```(graphql|plan)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    *sdls, operation, plan = (text for _, text in blocks)
    named = {text.split("\n", 1)[0].removeprefix("# "): text for text in sdls}
    assert str(planned(composed(**named), operation)) == plan.rstrip("\n")
