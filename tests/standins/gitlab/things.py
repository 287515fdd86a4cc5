"""The shapes of GitLab's REST interface, version 4, as https://docs.gitlab.com/api/ has them."""

from collections.abc import Mapping

# https://docs.gitlab.com/api/merge_requests/#merge-status
MERGE_STATUS = (
    "approvals_syncing|checking|ci_must_pass|ci_still_running|commits_status|conflict|"
    "discussions_not_resolved|draft_status|jira_association_missing|locked_lfs_files|locked_paths|"
    "mergeable|merge_request_blocked|merge_time|need_rebase|not_approved|not_open|preparing|"
    "requested_changes|security_policy_violations|status_checks_must_pass|title_regex|unchecked"
)
# https://docs.gitlab.com/api/pipelines/#list-project-pipelines
PIPELINE_STATUS = (
    "created|waiting_for_resource|preparing|pending|running|success|failed|canceling|canceled|"
    "skipped|manual|scheduled"
)
ACTIVE = ("created", "waiting_for_resource", "preparing", "pending", "running", "canceling")

THINGS: Mapping[str, str] = {
    # https://docs.gitlab.com/api/users/
    "User": "id:int username public_email:str? name state:active|blocked|deactivated locked:bool "
    "avatar_url:str? web_url",
    "Account": "+User created_at:time bio:str? bot:bool work_information:str? followers*:int",
    "CurrentUser": "+Account email commit_email:str? last_activity_on:str? external:bool "
    "can_create_project:bool two_factor_enabled:bool",
    # https://docs.gitlab.com/api/projects/
    "Namespace": "id:int name path kind:group|user full_path parent_id:int? web_url",
    "Access": "access_level:int notification_level:int?",
    "Permissions": "project_access:Access? group_access:Access?",
    "Project": "id:int description:str? name name_with_namespace path path_with_namespace "
    "created_at:time default_branch:str? ssh_url_to_repo http_url_to_repo web_url "
    "namespace:Namespace visibility:private|internal|public archived:bool empty_repo:bool "
    "issues_enabled:bool merge_requests_enabled:bool jobs_enabled:bool open_issues_count:int "
    "only_allow_merge_if_pipeline_succeeds:bool allow_merge_on_skipped_pipeline:bool? "
    "only_allow_merge_if_all_discussions_are_resolved:bool remove_source_branch_after_merge:bool "
    "merge_method:merge|rebase_merge|ff squash_option:never|always|default_on|default_off "
    "merge_trains_enabled*:bool permissions:Permissions last_activity_at:time",
    # https://docs.gitlab.com/api/project_members/
    "Member": "+User access_level:int created_at:time expires_at:str? membership_state*",
    # https://docs.gitlab.com/api/labels/
    "Label": "id:int name description:str? description_html:str? text_color color subscribed:bool "
    "priority:int? is_project_label:bool",
    # https://docs.gitlab.com/api/commits/ and /branches/
    "Commit": "id short_id created_at:time parent_ids:[str] title message author_name "
    "author_email authored_date:time committer_name committer_email committed_date:time web_url",
    "Branch": "name merged:bool protected:bool default:bool developers_can_push:bool "
    "developers_can_merge:bool can_push:bool web_url commit:Commit",
    "CommitStatus": f"id:int sha ref:str? status:{PIPELINE_STATUS} name "
    "target_url:str? description:str? created_at:time started_at:time? finished_at:time? "
    "allow_failure:bool coverage:num? pipeline_id:int? author:User",
    # https://docs.gitlab.com/api/pipelines/ and /jobs/
    "PipelineBasic": f"id:int iid:int project_id:int sha ref status:{PIPELINE_STATUS} source "
    "created_at:time updated_at:time web_url",
    "DetailedStatus": "icon text label group tooltip has_details:bool details_path:str? "
    "illustration:any? favicon",
    "Pipeline": "+PipelineBasic before_sha tag:bool yaml_errors:str? user:User started_at:time? "
    "finished_at:time? committed_at:time? duration:int? queued_duration:num? coverage:str? "
    "detailed_status:DetailedStatus name*:str?",
    "JobBasic": f"id:int status:{PIPELINE_STATUS} stage name ref tag:bool coverage:num? "
    "allow_failure:bool created_at:time started_at:time? finished_at:time? erased_at:time? "
    "duration:num? queued_duration:num? user:User commit:Commit pipeline:PipelineBasic "
    "failure_reason*:str? web_url",
    "Job": "+JobBasic artifacts:[any] artifacts_expire_at:time? runner:any? tag_list:[str] "
    "archived:bool",
    "Bridge": "+JobBasic downstream_pipeline:PipelineBasic?",
    # https://docs.gitlab.com/api/merge_requests/
    "References": "short relative full",
    "TimeStats": "time_estimate:int total_time_spent:int human_time_estimate:str? "
    "human_total_time_spent:str?",
    "Tasks": "count:int completed_count:int",
    "DiffRefs": "base_sha head_sha start_sha",
    "CanMerge": "can_merge:bool",
    "MergeRequestBasic": "id:int iid:int project_id:int title description:str? "
    "state:opened|closed|merged|locked created_at:time updated_at:time merged_by:User? "
    "merge_user:User? merged_at:time? closed_by:User? closed_at:time? target_branch source_branch "
    "user_notes_count:int upvotes:int downvotes:int author:User assignees:[User] assignee:User? "
    "reviewers:[User] source_project_id:int? target_project_id:int labels:[any] draft:bool "
    "imported:bool work_in_progress:bool milestone:any? merge_when_pipeline_succeeds:bool "
    "merge_status:unchecked|checking|can_be_merged|cannot_be_merged|cannot_be_merged_recheck "
    f"detailed_merge_status:{MERGE_STATUS} merge_after:time? sha:str? merge_commit_sha:str? "
    "squash_commit_sha:str? discussion_locked:bool? should_remove_source_branch:bool? "
    "force_remove_source_branch:bool? prepared_at:time? reference references:References web_url "
    "time_stats:TimeStats squash:bool squash_on_merge:bool task_completion_status:Tasks "
    "has_conflicts:bool blocking_discussions_resolved:bool approvals_before_merge*:int?",
    "MergeRequest": "+MergeRequestBasic labels:[str] subscribed:bool changes_count:str? "
    "latest_build_started_at:time? latest_build_finished_at:time? "
    "first_deployed_to_production_at:time? pipeline:PipelineBasic? head_pipeline:Pipeline? "
    "diff_refs:DiffRefs? merge_error:str? rebase_in_progress*:bool diverged_commits_count*:int "
    "first_contribution:bool user:CanMerge",
    "Version": "id:int head_commit_sha base_commit_sha start_commit_sha created_at:time "
    "merge_request_id:int state real_size patch_id_sha:str?",
    "Outcome": "status:success|error message*:str http_status*:int",
    "Rebasing": "rebase_in_progress:bool",
    "Diff": "diff new_path old_path a_mode b_mode new_file:bool renamed_file:bool "
    "deleted_file:bool generated_file:bool? collapsed*:bool too_large*:bool",
    "Train": "id:int merge_request:Carriage user:User pipeline:PipelineBasic? created_at:time "
    "updated_at:time target_branch status:idle|fresh|stale|merging|merged|skip_merged "
    "merged_at:time? duration:int?",
    "Carriage": "id:int iid:int project_id:int title description:str? state created_at:time "
    "updated_at:time web_url",
    # https://docs.gitlab.com/api/merge_request_approvals/: what has a `*` comes with a paid tier
    "Approval": "user:User approved_at*:time",
    "Approvals": "user_has_approved:bool user_can_approve:bool approved:bool "
    "approved_by:[Approval] id*:int iid*:int project_id*:int title* description*:str? state* "
    "created_at*:time updated_at*:time merge_status* approvals_required*:int approvals_left*:int "
    "require_password_to_approve*:bool approval_rules_left*:[RuleLeft] has_approval_rules*:bool",
    "RuleLeft": "id:int name rule_type",
    "Rule": "id:int name rule_type:any_approver|regular|code_owner|report_approver "
    "eligible_approvers:[User] approvals_required:int users:[User] groups:[any] "
    "contains_hidden_groups:bool section:str? source_rule:any? overridden:bool "
    "code_owner:bool approved_by:[User] approved:bool",
    "ApprovalState": "approval_rules_overwritten:bool? rules:[Rule]",
    "Reviewer": "user:User state:unreviewed|reviewed|requested_changes|approved|unapproved|"
    "review_started created_at:time",
    # https://docs.gitlab.com/api/notes/ and /discussions/
    "Position": "base_sha start_sha head_sha old_path new_path position_type:text|image|file "
    "old_line:int? new_line:int? line_range:any?",
    "Note": "id:int type:DiffNote|DiscussionNote? body author:User created_at:time "
    "updated_at:time system:bool noteable_id:int noteable_type:Issue|MergeRequest|Commit "
    "project_id:int noteable_iid:int? resolvable:bool resolved*:bool resolved_by*:User? "
    "resolved_at*:time? confidential:bool internal:bool imported:bool commands_changes:any "
    "commit_id*:str? position*:Position",
    "Discussion": "id individual_note:bool notes:[Note]",
    # https://docs.gitlab.com/api/issues/ and /issue_links/
    "Issue": "id:int iid:int project_id:int title description:str? state:opened|closed "
    "created_at:time updated_at:time closed_at:time? closed_by:User? labels:[str] milestone:any? "
    "assignees:[User] author:User type issue_type assignee:User? user_notes_count:int "
    "merge_requests_count:int upvotes:int downvotes:int due_date:str? confidential:bool "
    "discussion_locked:bool? web_url time_stats:TimeStats task_completion_status:Tasks "
    "has_tasks:bool references:References severity moved_to_id:int? weight*:int?",
    "ListedIssue": "+Issue labels:[any]",
    "LinkedIssue": "+Issue issue_link_id:int link_type:relates_to|blocks|is_blocked_by "
    "link_created_at:time link_updated_at:time",
    "Link": "source_issue:Issue target_issue:Issue link_type:relates_to|blocks|is_blocked_by",
    # https://docs.gitlab.com/api/project_webhooks/
    "Hook": "id:int url name:str? description:str? project_id:int created_at:time "
    "enable_ssl_verification:bool push_events:bool tag_push_events:bool issues_events:bool "
    "confidential_issues_events:bool merge_requests_events:bool note_events:bool "
    "confidential_note_events:bool job_events:bool pipeline_events:bool wiki_page_events:bool "
    "deployment_events:bool releases_events:bool push_events_branch_filter:str? "
    "alert_status disabled_until:time? url_variables:[any]",
}
