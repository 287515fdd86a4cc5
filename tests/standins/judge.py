"""Whether all was in order: what nobody should have asked or answered, and what was expected."""

import re

from standins.faults import Faults


class Judge:
    """Is told of every violation; a test says before which of them it expects."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.expected: list[str] = []

    def protest(self, violation: str) -> None:
        self.violations.append(violation)

    def expect(self, violation: str) -> None:
        """That something is asked that nobody should ask; a regular expression."""
        self.expected.append(violation)

    def in_order(self, faults: Faults) -> None:
        """Raise, if something was asked or answered that should not be, or a fault never met."""
        surprising = [
            one for one in self.violations if not any(re.search(e, one) for e in self.expected)
        ]
        missed = [e for e in self.expected if not any(re.search(e, one) for one in self.violations)]
        assert not surprising, "\n".join(surprising)
        assert not missed, f"expected, but never seen: {missed}"
        assert not faults.waiting, f"never met: {faults.waiting}"
