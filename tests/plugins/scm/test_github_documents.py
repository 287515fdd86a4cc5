"""All that is asked of GitHub's GraphQL interface is in its own schema."""

from graphql import GraphQLSchema, parse, validate

from ao_core.http import Part, Variable
from ao_core.http.batches import documents as batched
from ao_plugins._github import documents
from standins import specs
from standins.github.host import NEEDED, graph_described

NUMBER = {"number": Variable("Int!", 1)}
MORE = {**NUMBER, "after": Variable("String", None)}
BRANCH = {"branch": Variable("String!", "main")}
PARTS = {
    "SEEN": ("pullRequest(number: $number)", NUMBER),
    "SAID": ("pullRequest(number: $number)", NUMBER),
    "MORE_CHECKS": ("pullRequest(number: $number)", MORE),
    "ON_BRANCH": ("", BRANCH),
    "NEEDING": ("", BRANCH),
}


def schema() -> GraphQLSchema:
    return graph_described(specs.wanted(NEEDED[1])).schema


def texts() -> dict[str, str]:
    """All but what is only a part of others."""
    every = {name: text for name, text in vars(documents).items() if isinstance(text, str)}
    return {
        name: text
        for name, text in every.items()
        if name.isupper() and not name.startswith("_") and name != "CONTEXTS"
    }


def whole(name: str, text: str) -> str:
    """A part of a document as a document."""
    if name not in PARTS:
        return text
    field, variables = PARTS[name]
    wanted = f"{field} {{ {text} }}" if field else text
    part = Part(f'repository(owner: "acme", name: "app") {{ {wanted} }}', variables)
    (document,) = batched({"one": part}, 1)
    return document.text


def test_every_document_is_in_the_schema() -> None:
    known, wrong = schema(), dict[str, list[str]]()
    for name, text in texts().items():
        if found := validate(known, parse(whole(name, text))):
            wrong[name] = [one.message for one in found]
    assert wrong == {}
    assert {"SEEN", "SAID", "ENQUEUE", "AUTO_MERGE", "REPLY"} <= texts().keys()


def test_what_is_not_in_the_schema_is_found() -> None:
    text = whole("SEEN", documents.SEEN.replace("isDraft", "isDraught"))
    assert "isDraught" in validate(schema(), parse(text))[0].message
    text = documents.ENQUEUE.replace("$id: ID!", "$id: ID")
    assert validate(schema(), parse(text))


def test_fifty_looks_cost_a_point() -> None:
    """As GitHub counts: what connections may list, in hundreds."""
    graph = graph_described(specs.wanted(NEEDED[1]))
    text = documents.SEEN
    asked = {str(n): Part(
        f'repository(owner: "acme", name: "app") {{ pullRequest(number: $number) {{ {text} }} }}',
        NUMBER,
    ) for n in range(documents.MANY)}  # fmt: skip
    (document,) = batched(asked, documents.MANY)
    found = graph.asked(document.text, document.variables, None)
    assert not isinstance(found, list)
    assert found.price.requests <= 100  # type: ignore[union-attr]
