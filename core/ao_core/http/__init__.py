"""The one way plugins speak HTTP."""

from ao_core.allowance import BudgetState
from ao_core.http.api import Api
from ao_core.http.auth import Auth, Rotating, Token, bearer, fingerprint, header
from ao_core.http.budget import Budget, budget_of
from ao_core.http.carried import Carrier, Outgoing, Returned
from ao_core.http.graphql import Fault, GraphQL, Part, Variable
from ao_core.http.marks import Urgency

__all__ = [
    "Api",
    "Auth",
    "Budget",
    "BudgetState",
    "Carrier",
    "Fault",
    "GraphQL",
    "Outgoing",
    "Part",
    "Returned",
    "Rotating",
    "Token",
    "Urgency",
    "Variable",
    "bearer",
    "budget_of",
    "fingerprint",
    "header",
]
