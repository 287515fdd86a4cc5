"""What is asked of GitHub's GraphQL interface, written down once.

https://docs.github.com/graphql/reference/objects#pullrequest

`SEEN` costs a hundredth of a point for each pull request, so that a pass over fifty of them costs
one. It has the marks by which it is known that something changed; only then `SAID` is asked for.
"""

MANY = 50  # pull requests in one look
FEW = 10  # of which all is asked that others say
REMEMBERED = 200  # of which what others say is kept

_PULL = """
  id number title url state isDraft headRefName headRefOid baseRefName isCrossRepository
  headRepository { nameWithOwner }
  additions deletions mergeCommit { oid }
"""
_MARKS = """
  updatedAt mergeable mergeStateStatus reviewDecision isInMergeQueue isMergeQueueEnabled
  autoMergeRequest { enabledAt }
  statusCheckRollup { state contexts {
    totalCount
    checkRunCountsByState { state count }
    statusContextCountsByState { state count }
  } }
  reviewThreads(last: 100) { totalCount nodes { id isResolved } }
"""
SEEN = _PULL + _MARKS
# a fork's branch of the same name is listed, too: so many of those may stand before one of ours
ON_BRANCH = """
  pullRequests(headRefName: $branch, first: 50, orderBy: {field: CREATED_AT, direction: DESC}) {
    nodes { number state headRefName headRefOid isCrossRepository }
  }
"""
# whoever is still on a branch, or is to be merged into it
NEEDING = """
  id
  from: pullRequests(headRefName: $branch, states: OPEN, first: 10) {
    totalCount nodes { number isCrossRepository }
  }
  onto: pullRequests(baseRefName: $branch, states: OPEN, first: 1) { totalCount }
"""

CONTEXTS = """
  pageInfo { hasNextPage endCursor }
  nodes {
    __typename
    ... on CheckRun {
      databaseId name status conclusion detailsUrl title summary
      checkSuite { id app { slug } workflowRun { event workflow { id name } } }
    }
    ... on StatusContext { context state targetUrl description }
  }
"""
SAID = f"""
  headRefOid mergeable mergeStateStatus reviewDecision isDraft isInMergeQueue
  reviewRequests(first: 1) {{ totalCount }}
  latestOpinionatedReviews(first: 100, writersOnly: true) {{
    nodes {{ author {{ __typename login }} state body submittedAt }}
  }}
  reviewThreads(last: 100) {{ nodes {{
    id isResolved path line originalLine
    comments(last: 100) {{ nodes {{
      id author {{ __typename login }} body url viewerDidAuthor
    }} }}
  }} }}
  statusCheckRollup {{ state contexts(first: 100) {{ {CONTEXTS} }} }}
"""
MORE_CHECKS = f"""
  headRefOid
  statusCheckRollup {{ state contexts(first: 100, after: $after) {{ {CONTEXTS} }} }}
"""

ENQUEUE = """
mutation($id: ID!, $head: GitObjectID!) {
  enqueuePullRequest(input: {pullRequestId: $id, expectedHeadOid: $head}) { clientMutationId }
}
"""
AUTO_MERGE = """
mutation(
  $id: ID!, $head: GitObjectID!, $method: PullRequestMergeMethod!, $title: String, $text: String
) {
  enablePullRequestAutoMerge(input: {
    pullRequestId: $id, expectedHeadOid: $head, mergeMethod: $method,
    commitHeadline: $title, commitBody: $text
  }) { clientMutationId }
}
"""
CATCH_UP = """
mutation($id: ID!, $head: GitObjectID!, $method: PullRequestBranchUpdateMethod!) {
  updatePullRequestBranch(input: {
    pullRequestId: $id, expectedHeadOid: $head, updateMethod: $method
  }) { clientMutationId }
}
"""
DELETE_BRANCH = """
mutation($repository: ID!, $ref: GitRefname!, $head: GitObjectID!) {
  updateRefs(input: {repositoryId: $repository, refUpdates: [{
    name: $ref, beforeOid: $head, afterOid: "0000000000000000000000000000000000000000"
  }]}) { clientMutationId }
}
"""
READY = """
mutation($id: ID!) {
  markPullRequestReadyForReview(input: {pullRequestId: $id}) { clientMutationId }
}
"""
DRAFT = """
mutation($id: ID!) {
  convertPullRequestToDraft(input: {pullRequestId: $id}) { clientMutationId }
}
"""
RESOLVE = """
mutation($thread: ID!) { resolveReviewThread(input: {threadId: $thread}) { clientMutationId } }
"""
REPLY = """
mutation($thread: ID!, $body: String!) {
  addPullRequestReviewThreadReply(input: {pullRequestReviewThreadId: $thread, body: $body}) {
    clientMutationId
  }
}
"""
LAST_REPLY = """
query($thread: ID!) {
  node(id: $thread) { ... on PullRequestReviewThread {
    comments(last: 20) { nodes { body viewerDidAuthor createdAt } }
  } }
}
"""
