"""What a person's rules say of a wish, before the shipped policy is asked. Pure, but that links are
followed.

What allows has to be sure that it is about all of a wish; what denies or asks is looked for in each
part of it, and where nobody can tell, somebody is asked.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from ao_core.engine.commands import Hit, starts
from ao_core.engine.places import covered, covers_command, touched
from ao_core.engine.policy import Ruling, Wish, does_more, is_for_shell_only
from ao_core.engine.shell import NOBODY_KNOWS, Script, plain, taken_apart
from ao_core.model.kinds import kind_of
from ao_core.model.rule import INSIDE, Rule, Verdict


def decide(rules: Sequence[Rule], wish: Wish, workspace: Path) -> Ruling | None:
    """The first rule that is about a wish; None where there is none."""
    doubt: Ruling | None = None
    script = script_of(wish) if rules else None
    for rule in rules:
        if rule.says is Verdict.ALLOW:
            hit = Hit.YES if _is_covered(rule, wish, workspace) else Hit.NO
        else:
            hit = _hit(rule, wish, script, workspace)
        if hit is Hit.YES:
            # of what may be denied by one rule and is denied by the next, it is known
            return _said(rule) if rule.says is Verdict.DENY else doubt or _said(rule)
        if hit is Hit.PERHAPS and doubt is None:
            doubt = _doubted(rule)
    return doubt


def _said(rule: Rule) -> Ruling:
    return Ruling(rule.says, str(rule), stands=rule.says is Verdict.DENY)


def _doubted(rule: Rule) -> Ruling:
    told = f"nobody can tell whether it is about this: {rule}"
    return Ruling(Verdict.ASK, told, stands=rule.says is Verdict.DENY)


def script_of(wish: Wish) -> Script | None:
    """The command that it is about, taken apart; None where there is none."""
    if wish.command:
        return plain(wish.command)
    if wish.line is not None:
        return taken_apart(wish.line)
    return NOBODY_KNOWS if kind_of(wish.tool) == "execute" else None


# -- what denies, or asks --------------------------------------------------------------------------


def _hit(rule: Rule, wish: Wish, script: Script | None, workspace: Path) -> Hit:
    if rule.tool is not None and not _is_called(rule.tool, wish, wish.title):
        return Hit.NO
    hits = [Hit.YES]
    if rule.command:
        hits.append(_starts(script, rule, wish))
    if rule.path is not None and min(hits) is not Hit.NO:
        hits.append(touched(rule.path, wish, script, workspace))
    return min(hits)


def _starts(script: Script | None, rule: Rule, wish: Wish) -> Hit:
    if script is None:
        return Hit.NO
    return max(starts(script, rule.command), Hit.NO if wish.clear else Hit.PERHAPS)


def _is_called(pattern: str, wish: Wish, *more: str) -> bool:
    names = (wish.tool, kind_of(wish.tool), wish.called, *more)
    if any(fnmatchcase(name.lower(), pattern.lower()) for name in names if name):
        return True
    return not wish.called and kind_of(pattern) == kind_of(wish.tool)


# -- what allows -----------------------------------------------------------------------------------


def _is_covered(rule: Rule, wish: Wish, workspace: Path) -> bool:
    if not wish.clear or (rule.tool is not None and not _is_called(rule.tool, wish)):
        return False
    if wish.command or wish.line is not None or kind_of(wish.tool) == "execute":
        return _is_allowed_command(rule, wish, workspace)
    if rule.command:
        return False
    return rule.path is None or covered(rule.path, wish, kind_of(wish.tool), workspace)


def _is_allowed_command(rule: Rule, wish: Wish, workspace: Path) -> bool:
    argv, known = wish.command, len(rule.command)
    if not argv or wish.path not in (None, wish.folder) or argv[:known] != rule.command:
        return False
    rest = argv[max(known, 1) :]
    if is_for_shell_only(argv) or does_more(argv, rest):
        return False
    if not rule.command and rule.tool is None:
        return False  # a path alone is about tools that say where they go
    if rule.path is None:
        return True
    return rule.path == INSIDE and covers_command(wish, argv if not known else rest, workspace)
