"""Planning: operation + supergraph → a DAG of fetches. Pure. Start reading at `planner`; plans print as text."""

from kokoa.gateway.plan.bounds import NotPlannable, PlanTooComplex
from kokoa.gateway.plan.model import Assumption, Entities, Fetch, Group, Need, Plan, Rename, Step
from kokoa.gateway.plan.planner import make_plan

__all__ = [
    "Assumption",
    "Entities",
    "Fetch",
    "Group",
    "Need",
    "NotPlannable",
    "Plan",
    "PlanTooComplex",
    "Rename",
    "Step",
    "make_plan",
]
