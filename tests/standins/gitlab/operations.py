"""The operations of GitLab's REST interface that the stand-in knows, below /api/v4."""

_HOOK = """
  push_events:bool issues_events:bool confidential_issues_events:bool merge_requests_events:bool
  tag_push_events:bool note_events:bool confidential_note_events:bool job_events:bool
  pipeline_events:bool wiki_page_events:bool deployment_events:bool releases_events:bool
  enable_ssl_verification:bool token name description push_events_branch_filter signing_token
"""
_MERGE_REQUEST = """
  description:str? assignee_id:int? assignee_ids:[int] reviewer_ids:[int] labels:csv
  milestone_id:int remove_source_branch:bool allow_collaboration:bool squash:bool
"""
_ISSUE = """
  description:str? assignee_id:int? assignee_ids:[int] milestone_id:int labels:csv due_date:str?
  confidential:bool discussion_locked:bool issue_type:issue|incident|task weight:int?
"""
_MERGE = """
  merge_commit_message squash_commit_message squash:bool should_remove_source_branch:bool
  merge_when_pipeline_succeeds:bool auto_merge:bool sha
"""
_POSITION = "body position:any commit_id created_at:time"

OPERATIONS = f"""
user/get GET /user -> CurrentUser

users/list GET /users ? username search active:bool external:bool -> [User]

users/get GET /users/{{user_id}} -> Account

projects/get GET /projects/{{id}} ? license:bool statistics:bool -> Project

members/list GET /projects/{{id}}/members/all ? query user_ids[]:int state -> [Member]

members/get GET /projects/{{id}}/members/all/{{user_id}} -> Member

labels/list GET /projects/{{id}}/labels ? search with_counts:bool include_ancestor_groups:bool
  -> [Label]

labels/create POST /projects/{{id}}/labels = !name !color description priority:int -> 201 Label

branches/get GET /projects/{{id}}/repository/branches/{{branch}} -> Branch

branches/list GET /projects/{{id}}/repository/branches ? search regex -> [Branch]

branches/delete DELETE /projects/{{id}}/repository/branches/{{branch}} -> 204

commits/get GET /projects/{{id}}/repository/commits/{{sha}} ? stats:bool -> Commit

commits/merge_requests GET /projects/{{id}}/repository/commits/{{sha}}/merge_requests
  ? state:opened|closed|locked|merged -> [MergeRequestBasic]

statuses/list GET /projects/{{id}}/repository/commits/{{sha}}/statuses
  ? ref stage name all:bool pipeline_id:int order_by:id|pipeline_id sort:asc|desc
  -> [CommitStatus]

statuses/create POST /projects/{{id}}/statuses/{{sha}}
  = !state:pending|running|success|failed|canceled|skipped ref name context target_url description
  coverage:num pipeline_id:int -> 201 CommitStatus

merge_requests/list GET /projects/{{id}}/merge_requests
  ? state:opened|closed|locked|merged|all source_branch target_branch iids[]:int labels search
  in order_by:created_at|updated_at|title|merged_at sort:asc|desc author_id:int author_username
  assignee_id reviewer_id reviewer_username scope:created_by_me|assigned_to_me|reviews_for_me|all
  draft:yes|no wip:yes|no view:simple with_merge_status_recheck:bool with_labels_details:bool
  created_after:time created_before:time updated_after:time updated_before:time
  -> [MergeRequestBasic]

merge_requests/create POST /projects/{{id}}/merge_requests
  = !title !source_branch !target_branch target_project_id:int {_MERGE_REQUEST} -> 201 MergeRequest

merge_requests/get GET /projects/{{id}}/merge_requests/{{merge_request_iid}}
  ? include_rebase_in_progress:bool include_diverged_commits_count:bool render_html:bool
  -> MergeRequest

merge_requests/update PUT /projects/{{id}}/merge_requests/{{merge_request_iid}}
  = title target_branch state_event:close|reopen add_labels:csv remove_labels:csv
  discussion_locked:bool {_MERGE_REQUEST} -> MergeRequest

merge_requests/merge PUT /projects/{{id}}/merge_requests/{{merge_request_iid}}/merge
  = {_MERGE} -> MergeRequest

merge_requests/cancel_auto_merge
  POST /projects/{{id}}/merge_requests/{{merge_request_iid}}/cancel_merge_when_pipeline_succeeds
  -> 201 Outcome

merge_requests/rebase PUT /projects/{{id}}/merge_requests/{{merge_request_iid}}/rebase
  = skip_ci:bool -> 202 Rebasing

merge_requests/versions GET /projects/{{id}}/merge_requests/{{merge_request_iid}}/versions
  -> [Version]

merge_requests/commits GET /projects/{{id}}/merge_requests/{{merge_request_iid}}/commits
  -> [Commit]

merge_requests/diffs GET /projects/{{id}}/merge_requests/{{merge_request_iid}}/diffs
  ? unidiff:bool -> [Diff]

merge_requests/pipelines GET /projects/{{id}}/merge_requests/{{merge_request_iid}}/pipelines
  -> [PipelineBasic]

merge_requests/reviewers GET /projects/{{id}}/merge_requests/{{merge_request_iid}}/reviewers
  -> [Reviewer]

merge_requests/closes_issues
  GET /projects/{{id}}/merge_requests/{{merge_request_iid}}/closes_issues -> [Issue]

merge_trains/get GET /projects/{{id}}/merge_trains/merge_requests/{{merge_request_iid}} -> Train

merge_trains/add POST /projects/{{id}}/merge_trains/merge_requests/{{merge_request_iid}}
  = when_pipeline_succeeds:bool auto_merge:bool sha squash:bool -> 201 [Train]

approvals/get GET /projects/{{id}}/merge_requests/{{merge_request_iid}}/approvals -> Approvals

approvals/state GET /projects/{{id}}/merge_requests/{{merge_request_iid}}/approval_state
  -> ApprovalState

approvals/approve POST /projects/{{id}}/merge_requests/{{merge_request_iid}}/approve
  = sha approval_password -> 201 Approvals

approvals/unapprove POST /projects/{{id}}/merge_requests/{{merge_request_iid}}/unapprove
  -> 201 Approvals

discussions/list GET /projects/{{id}}/merge_requests/{{merge_request_iid}}/discussions
  -> [Discussion]

discussions/create POST /projects/{{id}}/merge_requests/{{merge_request_iid}}/discussions
  = !{_POSITION} -> 201 Discussion

discussions/get
  GET /projects/{{id}}/merge_requests/{{merge_request_iid}}/discussions/{{discussion_id}}
  -> Discussion

discussions/resolve
  PUT /projects/{{id}}/merge_requests/{{merge_request_iid}}/discussions/{{discussion_id}}
  = !resolved:bool -> Discussion

discussions/reply
  POST /projects/{{id}}/merge_requests/{{merge_request_iid}}/discussions/{{discussion_id}}/notes
  = !body created_at:time -> 201 Note

merge_request_notes/list GET /projects/{{id}}/merge_requests/{{merge_request_iid}}/notes
  ? order_by:created_at|updated_at sort:asc|desc activity_filter -> [Note]

merge_request_notes/create POST /projects/{{id}}/merge_requests/{{merge_request_iid}}/notes
  = !body internal:bool created_at:time -> 201 Note

merge_request_notes/update
  PUT /projects/{{id}}/merge_requests/{{merge_request_iid}}/notes/{{note_id}} = !body -> Note

pipelines/list GET /projects/{{id}}/pipelines
  ? ref sha status source scope username order_by:id|status|ref|updated_at|user_id sort:asc|desc
  updated_after:time updated_before:time -> [PipelineBasic]

pipelines/get GET /projects/{{id}}/pipelines/{{pipeline_id}} -> Pipeline

pipelines/retry POST /projects/{{id}}/pipelines/{{pipeline_id}}/retry -> 201 Pipeline

pipelines/jobs GET /projects/{{id}}/pipelines/{{pipeline_id}}/jobs
  ? scope scope[] include_retried:bool -> [Job]

pipelines/bridges GET /projects/{{id}}/pipelines/{{pipeline_id}}/bridges ? scope scope[]
  -> [Bridge]

jobs/get GET /projects/{{id}}/jobs/{{job_id}} -> Job

jobs/trace GET /projects/{{id}}/jobs/{{job_id}}/trace ->

jobs/retry POST /projects/{{id}}/jobs/{{job_id}}/retry -> 201 Job

issues/list GET /projects/{{id}}/issues
  ? state:opened|closed|all labels search in iids[]:int assignee_id assignee_username
  assignee_username[] author_id:int author_username milestone confidential:bool issue_type
  order_by:created_at|updated_at|due_date|priority|relative_position|title|weight sort:asc|desc
  scope:created_by_me|assigned_to_me|all created_after:time created_before:time updated_after:time
  updated_before:time with_labels_details:bool not[labels] -> [ListedIssue]

issues/create POST /projects/{{id}}/issues = !title {_ISSUE} -> 201 Issue

issues/get GET /projects/{{id}}/issues/{{issue_iid}} -> Issue

issues/update PUT /projects/{{id}}/issues/{{issue_iid}}
  = title state_event:close|reopen add_labels:csv remove_labels:csv {_ISSUE} -> Issue

issue_notes/list GET /projects/{{id}}/issues/{{issue_iid}}/notes
  ? order_by:created_at|updated_at sort:asc|desc activity_filter -> [Note]

issue_notes/create POST /projects/{{id}}/issues/{{issue_iid}}/notes
  = !body internal:bool created_at:time -> 201 Note

issue_notes/update PUT /projects/{{id}}/issues/{{issue_iid}}/notes/{{note_id}} = !body -> Note

issue_links/list GET /projects/{{id}}/issues/{{issue_iid}}/links -> [LinkedIssue]

issue_links/create POST /projects/{{id}}/issues/{{issue_iid}}/links
  = !target_project_id:any !target_issue_iid:any link_type:relates_to|blocks|is_blocked_by
  -> 201 Link

issue_links/delete DELETE /projects/{{id}}/issues/{{issue_iid}}/links/{{issue_link_id}} -> Link

issues/closed_by GET /projects/{{id}}/issues/{{issue_iid}}/closed_by -> [MergeRequestBasic]

issues/related_merge_requests
  GET /projects/{{id}}/issues/{{issue_iid}}/related_merge_requests -> [MergeRequestBasic]

hooks/list GET /projects/{{id}}/hooks -> [Hook]

hooks/create POST /projects/{{id}}/hooks = !url {_HOOK} -> 201 Hook

hooks/get GET /projects/{{id}}/hooks/{{hook_id}} -> Hook

hooks/update PUT /projects/{{id}}/hooks/{{hook_id}} = !url {_HOOK} -> Hook

hooks/delete DELETE /projects/{{id}}/hooks/{{hook_id}} -> 204
"""
