"""What Linear is asked, once each.

https://linear.app/developers/graphql. What a document costs grows with how many issues it may
bring, times the labels of each; 10,000 is the most that Linear takes.
"""

PAGE = 50
MANY = 20  # sub-issues, relations and links that are told of
LABELS = 50
SAID_LATELY = 100  # comments that are looked through for one that may be there

_WHOLE = f"""
fragment Whole on Issue {{
  id identifier title description url branchName priority priorityLabel trashed updatedAt
  state {{ id type }}
  assignee {{ displayName }}
  labels(first: {LABELS}) {{ nodes {{ id name }} }}
}}
"""
_AROUND = f"""
fragment Around on Issue {{
  parent {{ identifier title }}
  children(first: {MANY}) {{ nodes {{ identifier title state {{ type }} }} }}
  relations(first: {MANY}) {{ nodes {{ type relatedIssue {{ identifier title }} }} }}
  inverseRelations(first: {MANY}) {{ nodes {{ type issue {{ identifier title }} }} }}
  attachments(first: {MANY}) {{ nodes {{ title url }} }}
}}
"""
_ALL = "...Whole ...Around"

ISSUE = f"query Issue($id: String!) {{ issue(id: $id) {{ {_ALL} }} }}{_WHOLE}{_AROUND}"

ISSUES = f"""
query Issues($filter: IssueFilter, $first: Int!, $after: String) {{
  issues(
    filter: $filter, first: $first, after: $after, sort: [{{createdAt: {{order: Ascending}}}}]
  ) {{
    nodes {{ ...Whole }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}}
{_WHOLE}"""

BEFORE = f"""
query Before($id: String!, $states: Boolean!) {{
  issue(id: $id) {{
    id identifier url trashed
    state {{ id type }}
    labels(first: {LABELS}) {{ nodes {{ id name }} }}
    team {{ id states(first: 100) @include(if: $states) {{ nodes {{ id type position }} }} }}
  }}
}}
"""

TEAMS = "query Teams($filter: TeamFilter) { teams(filter: $filter, first: 2) { nodes { id key } } }"

PEOPLE = """
query People($filter: UserFilter) {
  users(filter: $filter, first: 20) { nodes { id displayName email name isMe } }
}
"""

NAMED_LABELS = """
query Labels($filter: IssueLabelFilter) {
  issueLabels(filter: $filter, first: 250) { nodes { id name isGroup team { id } } }
}
"""

CREATE = f"""
mutation Create($input: IssueCreateInput!) {{
  issueCreate(input: $input) {{ success issue {{ {_ALL} }} }}
}}
{_WHOLE}{_AROUND}"""

UPDATE = f"""
mutation Update($id: String!, $input: IssueUpdateInput!) {{
  issueUpdate(id: $id, input: $input) {{ success issue {{ {_ALL} }} }}
}}
{_WHOLE}{_AROUND}"""

COMMENT = f"""
mutation Comment($input: CommentCreateInput!) {{
  commentCreate(input: $input) {{ success comment {{ issue {{ {_ALL} }} }} }}
}}
{_WHOLE}{_AROUND}"""

SAID = f"""
query Said($id: String!, $since: DateTimeOrDuration!) {{
  issue(id: $id) {{
    comments(first: {SAID_LATELY}, filter: {{createdAt: {{gte: $since}}}}) {{ nodes {{ body }} }}
  }}
}}
"""

NEW_LABEL = """
mutation Label($input: IssueLabelCreateInput!) {
  issueLabelCreate(input: $input) { success issueLabel { id name } }
}
"""

EVERY = (
    ISSUE, ISSUES, BEFORE, TEAMS, PEOPLE, NAMED_LABELS, CREATE, UPDATE, COMMENT, SAID, NEW_LABEL,
)  # fmt: skip
