"""The `gh` that comes first on a worker's PATH: GitHub's own, counted and told of.

It becomes the real one as soon as it has written a word down, so that everything else is as it
would be without it: what is read and said, signals, and how it ends. Nothing is ever answered from
memory. Where a worker has no `gh`, it finds none.
"""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from shlex import quote

from ao_core import gh_stub
from ao_core.engine.environment import USUAL_PATH
from ao_core.engine.home import Home
from ao_core.files import private_dir, write_atomic
from ao_core.gh_use import LOG

_FOLDER = "ao-gh"  # no other wrapper of ours is taken for the real one
_SCRIPT = """\
#!/bin/sh
# gh for workers: what it asks GitHub is counted, and a pull request that it opens is told of.
python={python} stub={stub}

real=
IFS=:
set -f
for folder in $PATH; do
    case $folder in '' | */{folder}) continue ;; esac
    if [ -f "$folder/gh" ] && [ -x "$folder/gh" ]; then
        real=$folder/gh
        break
    fi
done
unset IFS
set +f
if [ -z "$real" ]; then
    echo 'gh: not found' >&2
    exit 127
fi

first= second= skip=
for word do
    if [ -n "$skip" ]; then
        skip=
        continue
    fi
    case $word in
        -R | --repo | --hostname) skip=1 ;;
        -h | --help) exec "$real" "$@" ;;
        -*) ;;
        *) if [ -z "$first" ]; then first=$word; elif [ -z "$second" ]; then second=$word; fi ;;
    esac
done

case $first in
    '' | help | version | completion | config | alias | auth | ext | extension*)
        exec "$real" "$@" ;;
    *[!a-z-]*) first=other ;;
esac
case $second in *[!a-z-]*) second= ;; esac

if [ -n "$AO_SPOOL" ]; then
    {{ printf '%s %s\\n' "$first" "$second" >>"$AO_SPOOL/{log}"; }} 2>/dev/null
    case "$first $second" in
        'pr create' | 'pr new')
            if [ -x "$python" ] && [ -r "$stub" ]; then
                exec "$python" -I "$stub" "$real" "$@"
            fi ;;
    esac
fi
exec "$real" "$@"
"""


def write(home: Home) -> None:
    """Put it where workers find it."""
    path = _folder(home) / "gh"
    stub = Path(gh_stub.__file__)
    script = _SCRIPT.format(
        python=quote(sys.executable), stub=quote(str(stub)), folder=_FOLDER, log=LOG
    )
    if not path.exists() or path.read_text() != script:
        private_dir(path.parent)
        write_atomic(path, script, mode=0o700)


def on_path(home: Home, environment: Mapping[str, str]) -> tuple[Path, ...]:
    """What comes first on the PATH of a worker that is given this."""
    path = environment.get("PATH", USUAL_PATH)
    others = ":".join(one for one in path.split(":") if Path(one).name != _FOLDER)
    return (_folder(home), home.bin) if shutil.which("gh", path=others) else (home.bin,)


def _folder(home: Home) -> Path:
    return home.bin / _FOLDER
