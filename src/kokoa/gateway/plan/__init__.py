"""Planning: operation + supergraph → a DAG of fetches. Pure. Start reading at `planner`; plans print as text."""

from kokoa.gateway.plan.model import Entities, Fetch, Need, Plan, Step
from kokoa.gateway.plan.placing import NotPlannable, PlanTooComplex
from kokoa.gateway.plan.planner import make_plan

__all__ = ["Entities", "Fetch", "Need", "NotPlannable", "Plan", "PlanTooComplex", "Step", "make_plan"]
