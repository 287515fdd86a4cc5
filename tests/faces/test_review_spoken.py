"""Remarks as they are said on a command line, and as a tool is given them."""

import pytest

from ao_mcp.operations.reviewing import Comment, Review


@pytest.mark.parametrize(
    ("text", "path", "line", "body"),
    [
        ("src/a.py:12: What if: none?", "src/a.py", 12, "What if: none?"),
        ("Nearly: look again.", None, None, "Nearly: look again."),
        ("a.py:x:no", None, None, "a.py:x:no"),
        ("plain", None, None, "plain"),
    ],
)
def test_a_remark_is_said_by_path_and_line(
    text: str, path: str | None, line: int | None, body: str
) -> None:
    asked = Review.model_validate({"session": "s-1", "verdict": "changes", "comments": [text]})
    assert asked.comments == (Comment(path=path, line=line, body=body),)
