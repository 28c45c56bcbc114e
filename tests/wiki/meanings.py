"""What each recorded answer has to mean to us: the families of errors, conflicts, retries, limits and sign-in."""

from wiki.errors import (
    AuthorizationLost,
    GiveUp,
    Reason,
    RefreshDead,
    Reread,
    RetryWithNewToken,
    SignInFailed,
    StopBatch,
    Wait,
    WikiError,
)

FAMILIES = ("err_", "conflict_", "retry_", "ratelimit", "abusefilter", "oauth_", "anonymous_edit", "parallel_")

Meaning = tuple[type[WikiError], Reason] | str

OK = "ok"
PATCHED = "patched"  # success, but merged with somebody's edit: to be read again
ANONYMOUS = "anonymous"  # what must never happen: a write without a login that the wiki accepts
BROWSER = "browser"  # a page or redirect that only the browser sees
CODE = "code"  # the browser comes back with a code

_TOKEN = (RetryWithNewToken, Reason.TOKEN)
_ACCOUNT = (StopBatch, Reason.WRONG_ACCOUNT)
_BLOCKED = (StopBatch, Reason.BLOCKED)
_NO_RIGHT = (StopBatch, Reason.NO_RIGHT)
_TAGS = (StopBatch, Reason.BAD_TAGS)
_BLOCKED_HERE = (GiveUp, Reason.BLOCKED_HERE)
_PROTECTED = (GiveUp, Reason.PROTECTED)
_FILTER = (GiveUp, Reason.ABUSEFILTER)
_OUR_FAULT = (GiveUp, Reason.INVALID_REQUEST)
_LAG = (Wait, Reason.MAXLAG)
_LIMIT = (Wait, Reason.RATELIMITED)
_READONLY = (Wait, Reason.READONLY)
_CONFLICT = (Reread, Reason.CONFLICT)
_LOST = (AuthorizationLost, Reason.AUTHORIZATION_LOST)
_REFUSED = (SignInFailed, Reason.SIGN_IN_REFUSED)
_DENIED = (SignInFailed, Reason.DENIED)
_CONSUMER = (StopBatch, Reason.CONSUMER_REFUSED)
_DEAD = (RefreshDead, Reason.REFRESH_DEAD)

EDITS: dict[str, Meaning] = {
    "abusefilter_tagged": OK,
    "abusefilter_throttle_1": OK,
    "abusefilter_throttle_2": _FILTER,
    "abusefilter_throttle_3": _FILTER,
    "abusefilter_warn_second_identical_passes": OK,
    "anonymous_edit": ANONYMOUS,
    "anonymous_edit_with_temp_accounts_assert_user": _TOKEN,
    "anonymous_edit_with_temp_accounts_assert_user_first": _ACCOUNT,
    "anonymous_edit_with_temp_accounts_assertuser_name": _ACCOUNT,
    "anonymous_edit_with_temp_accounts_enabled": ANONYMOUS,
    "conflict_base_create": OK,
    "conflict_clean_wbeditentity_identical_change_by_both": _CONFLICT,
    "conflict_clean_wbeditentity_removed_statement_without_baserevid": OK,
    "conflict_clean_wbeditentity_same_statement_qualifier_added_by_both": PATCHED,
    "conflict_clean_wbeditentity_same_statement_qualifier_changed_by_both": PATCHED,
    "conflict_clean_wbeditentity_statement_removed_by_other": _CONFLICT,
    "conflict_clean_wbsetclaim_identical_change_by_both": _CONFLICT,
    "conflict_clean_wbsetclaim_removed_statement_without_baserevid": OK,
    "conflict_clean_wbsetclaim_same_statement_qualifier_added_by_both": PATCHED,
    "conflict_clean_wbsetclaim_same_statement_qualifier_changed_by_both": PATCHED,
    "conflict_clean_wbsetclaim_statement_removed_by_other": _CONFLICT,
    "conflict_no_baserevid_wbsetclaim_overwrites": OK,
    "conflict_other_user_adds_other_value": OK,
    "conflict_other_user_adds_same_value": OK,
    "conflict_other_user_changes_statement": OK,
    "conflict_other_user_removes_statement": OK,
    "conflict_race_first_mediainfo_stale_baserevid": _CONFLICT,
    "conflict_race_first_mediainfo_stale_baserevid_wbcreateclaim": _CONFLICT,
    "conflict_stale_baserevid_wbcreateclaim_other_value": PATCHED,
    "conflict_stale_baserevid_wbcreateclaim_same_value": PATCHED,
    "conflict_stale_baserevid_wbeditentity_new_value": PATCHED,
    "conflict_stale_baserevid_wbeditentity_same_statement": _CONFLICT,
    "conflict_stale_baserevid_wbeditentity_same_value": PATCHED,
    "conflict_stale_baserevid_wbremoveclaims_removed": _CONFLICT,
    "conflict_stale_baserevid_wbsetclaim_removed_statement": _CONFLICT,
    "conflict_stale_baserevid_wbsetclaim_same_statement": PATCHED,
    "conflict_wikitext_edited_in_between": PATCHED,
    "err_abusefilter_disallow": _FILTER,
    "err_abusefilter_disallow_action_edit_for_comparison": _FILTER,
    "err_abusefilter_disallow_plaintext": _FILTER,
    "err_abusefilter_disallow_wbeditentity": _FILTER,
    "err_abusefilter_warn_first": (GiveUp, Reason.ABUSEFILTER_WARNING),
    "err_anonymous_no_edit_right": _NO_RIGHT,
    "err_anonymous_token_while_logged_in": _TOKEN,
    "err_assert_bot": _ACCOUNT,
    "err_assert_user_session_lost": _ACCOUNT,
    "err_badtoken": _TOKEN,
    "err_badtoken_fv1": _TOKEN,
    "err_blocked_ip_hardblock": _BLOCKED,
    "err_blocked_partial_on_page": _BLOCKED_HERE,
    "err_blocked_partial_on_page_plaintext": _BLOCKED_HERE,
    "err_blocked_sitewide": _BLOCKED,
    "err_blocked_sitewide_errorformat_plaintext": _BLOCKED,
    "err_blocked_sitewide_wbeditentity": _BLOCKED,
    "err_blocked_sitewide_wbremoveclaims": (Reread, Reason.STATEMENT_GONE),
    "err_loggedin_token_while_session_lost": _TOKEN,
    "err_maxlag_errorformat_plaintext": _LAG,
    "err_maxlag_post_edit": _LAG,
    "err_maxlag_post_edit_fv1": _LAG,
    "err_maxlag_wikibase_queryservice_type": _LAG,
    "err_missing_token": _OUR_FAULT,
    "err_no_edit_right": _NO_RIGHT,
    "err_no_edit_right_wbeditentity": _NO_RIGHT,
    "err_protected_page": _PROTECTED,
    "err_protected_page_wbeditentity_plaintext": _PROTECTED,
    "err_ratelimited_action_edit": _LIMIT,
    "err_ratelimited_errorformat_plaintext": _LIMIT,
    "err_ratelimited_wbeditentity": _LIMIT,
    "err_readonly": _READONLY,
    "err_readonly_errorformat_plaintext": _READONLY,
    "err_readonly_wbeditentity": _READONLY,
    "err_tag_two_one_unknown": _TAGS,
    "err_tag_unknown": _TAGS,
    "oauth_api_blocked_user_edit": _BLOCKED,
    "oauth_api_edit_anonymous_token": _TOKEN,
    "oauth_api_edit_bearer_header_missing": _TOKEN,
    "oauth_api_edit_success": OK,
    "oauth_api_edit_without_csrf_token": _OUR_FAULT,
    "oauth_api_expired_bearer_edit": _LOST,
    "oauth_api_garbage_bearer_edit": _LOST,
    "oauth_api_logout_with_bearer": _OUR_FAULT,
    "oauth_basic_only_wbcreateclaim": _NO_RIGHT,
    "oauth_basic_only_wbcreateclaim_plaintext": _NO_RIGHT,
    "oauth_basic_only_wbeditentity": _NO_RIGHT,
    "oauth_csrf_token_of_previous_access_token": _TOKEN,
    "oauth_edit_with_tags_param": OK,
    "parallel_existing_mediainfo_different_values_failed_save_editconflict": _CONFLICT,
    "parallel_existing_mediainfo_different_values_ok": OK,
    "parallel_existing_with_fresh_baserevid_same_value_failed_save_editconflict": _CONFLICT,
    "parallel_existing_with_fresh_baserevid_same_value_ok": OK,
    "parallel_first_mediainfo_different_values_failed_save_editconflict": _CONFLICT,
    "parallel_first_mediainfo_different_values_ok": OK,
    "parallel_first_mediainfo_same_value_wbeditentity_failed_save_editconflict": _CONFLICT,
    "parallel_first_mediainfo_same_value_wbeditentity_ok": OK,
    "parallel_same_client_guid_wbsetclaim_failed_save_editconflict": _CONFLICT,
    "parallel_same_client_guid_wbsetclaim_ok": OK,
    "ratelimit_sequence_1_limit_2_per_30s": OK,
    "ratelimit_sequence_2_limit_2_per_30s": OK,
    "ratelimit_sequence_3_limit_2_per_30s": _LIMIT,
    "ratelimit_sequence_4_limit_2_per_30s": _LIMIT,
    "ratelimit_sequence_5_after_waiting_31s": OK,
    "retry_lost_answer_wbcreateclaim_1": OK,
    "retry_lost_answer_wbcreateclaim_2_same_request_again": _CONFLICT,
    "retry_lost_answer_wbcreateclaim_existing_mediainfo_1": OK,
    "retry_lost_answer_wbcreateclaim_existing_mediainfo_2_same_request_again": PATCHED,
    "retry_lost_answer_wbeditentity_new_guid_existing_mediainfo_1": OK,
    "retry_lost_answer_wbeditentity_new_guid_existing_mediainfo_2_same_request_again": _CONFLICT,
    "retry_lost_answer_wbeditentity_new_guid_first_mediainfo_1": OK,
    "retry_lost_answer_wbeditentity_new_guid_first_mediainfo_2_same_request_again": _CONFLICT,
    "retry_lost_answer_wbsetclaim_new_guid_existing_mediainfo_1": OK,
    "retry_lost_answer_wbsetclaim_new_guid_existing_mediainfo_2_same_request_again": _CONFLICT,
    "retry_lost_answer_wbsetclaim_new_guid_first_mediainfo_1": OK,
    "retry_lost_answer_wbsetclaim_new_guid_first_mediainfo_2_same_request_again": _CONFLICT,
}

READS: dict[str, Meaning] = {
    "err_assert_anon_when_logged_in": _ACCOUNT,
    "err_assertuser_anonymous": _ACCOUNT,
    "err_assertuser_wrong_name": _ACCOUNT,
    "err_blocked_partial_userinfo": OK,
    "err_blocked_userinfo_blockinfo": OK,
    "err_maxlag_get": _LAG,
    "err_maxlag_minus1_single_db_passes": OK,
    "err_maxlag_minus2_get_real": _LAG,
    "err_maxlag_tokens_query": _LAG,
    "err_unknown_action": _OUR_FAULT,
    "err_wbgetclaims_missing_param": _OUR_FAULT,
    "oauth_api_after_code_replay": OK,
    "oauth_api_after_reauthorization": OK,
    "oauth_api_after_user_revoked_grant": _LOST,
    "oauth_api_bearer_plus_login_cookie": OK,
    "oauth_api_bearer_plus_other_users_cookie": OK,
    "oauth_api_bearer_with_crossorigin": OK,
    "oauth_api_bearer_with_origin_star": OK,
    "oauth_api_blocked_user_userinfo": OK,
    "oauth_api_clientlogin_with_bearer": OK,
    "oauth_api_consumer_disabled": (AuthorizationLost, Reason.CONSUMER_REFUSED),
    "oauth_api_csrf_token": OK,
    "oauth_api_expired_bearer": _LOST,
    "oauth_api_expired_bearer_assert_user": _LOST,
    "oauth_api_expired_bearer_plaintext": _LOST,
    "oauth_api_first_token_still_valid": OK,
    "oauth_api_garbage_bearer": _LOST,
    "oauth_api_garbage_bearer_fv1": _LOST,
    "oauth_api_garbage_bearer_plaintext": _LOST,
    "oauth_api_old_access_token_after_refresh": _LOST,
    "oauth_api_owner_only_token": OK,
    "oauth_api_tampered_bearer": _LOST,
    "oauth_api_userinfo": OK,
    "oauth_authonly_csrf": OK,
    "oauth_authonly_userinfo": OK,
    "oauth_basic_only_csrf": OK,
    "oauth_basic_only_userinfo_rights": OK,
    "ratelimit_read_requests_unaffected": OK,
}

CODES: dict[str, Meaning] = {
    "oauth_pkce_confidential_missing_verifier": _REFUSED,
    "oauth_pkce_confidential_success": OK,
    "oauth_pkce_token_missing_verifier": _REFUSED,
    "oauth_pkce_token_success": OK,
    "oauth_pkce_token_wrong_verifier": _REFUSED,
    "oauth_token_authonly": OK,
    "oauth_token_bad_grant_type": _REFUSED,
    "oauth_token_basic_only": OK,
    "oauth_token_code_reuse": _REFUSED,
    "oauth_token_code_still_good_after_failures": OK,
    "oauth_token_http_basic_auth_success": OK,
    "oauth_token_http_basic_auth_wrong_code": _REFUSED,
    "oauth_token_json_body": (GiveUp, Reason.REFUSED),
    "oauth_token_missing_code": _REFUSED,
    "oauth_token_missing_redirect_uri": _REFUSED,
    "oauth_token_prefix_callback": OK,
    "oauth_token_second_authorization": OK,
    "oauth_token_short_lived": OK,
    "oauth_token_success": OK,
    "oauth_token_unknown_client": _CONSUMER,
    "oauth_token_wrong_client_secret": _CONSUMER,
    "oauth_token_wrong_code": _REFUSED,
    "oauth_token_wrong_redirect_uri": _CONSUMER,
}

REFRESHES: dict[str, Meaning] = {
    "oauth_refresh_after_user_revoked_grant": _DEAD,
    "oauth_refresh_blocked_user": OK,
    "oauth_refresh_consumer_disabled": _CONSUMER,
    "oauth_refresh_expired_refresh_token": _DEAD,
    "oauth_refresh_garbage": _DEAD,
    "oauth_refresh_of_other_client": _DEAD,
    "oauth_refresh_reuse_old_refresh_token": _DEAD,
    "oauth_refresh_success": OK,
    "oauth_refresh_wrong_secret": _CONSUMER,
}

PROFILES: dict[str, Meaning] = {
    "oauth_authonly_profile": OK,
    "oauth_profile_after_user_revoked_grant": _LOST,
    "oauth_profile_blocked_user": OK,
    "oauth_resource_nosuch": (GiveUp, Reason.REFUSED),
    "oauth_resource_profile": OK,
    "oauth_resource_profile_expired": _LOST,
    "oauth_resource_profile_garbage_token": _LOST,
    "oauth_resource_profile_no_token": _LOST,
    "oauth_resource_profile_tampered_token": _LOST,
    "oauth_rest_v1_expired_bearer": _LOST,
}

CALLBACKS: dict[str, Meaning] = {
    "oauth_authonly_4_back_to_authorize_1": CODE,
    "oauth_authorize_unknown_scope": _REFUSED,
    "oauth_basic_only_4_back_to_authorize_1": CODE,
    "oauth_denied_4_back_to_authorize_1": _DENIED,
    "oauth_flow_4_back_to_authorize_1": CODE,
    "oauth_pkce_4_back_to_authorize_1": CODE,
    "oauth_prefix_callback_4_back_to_authorize_1": CODE,
    "oauth_second_time_4_back_to_authorize_1": CODE,
}

# Pages and redirects between the browser and the wiki, in which this program has no part; and resources it never asks.
ELSEWHERE = frozenset(
    {
        "oauth_access_token_decoded",
        "oauth_resource_scopes",
        "oauth_index_php_expired_bearer",
        "oauth_valid_bearer_on_wiki_page",
        "oauth_authorize_bad_redirect_uri",
        "oauth_authorize_blocked_user",
        "oauth_authorize_consumer_disabled",
        "oauth_authorize_missing_response_type",
        "oauth_authorize_no_redirect_uri",
        "oauth_authorize_not_logged_in",
        "oauth_authorize_redirect_uri_with_extra_query",
        "oauth_authorize_response_type_token",
        "oauth_authorize_scope_beyond_consumer",
        "oauth_authorize_scope_subset",
        "oauth_authorize_unapproved_client_other_user",
        "oauth_authorize_unknown_client",
        "oauth_authonly_second_time_approve_page",
        "oauth_authonly_second_time_authorize",
        "oauth_pkce_public_client_without_challenge",
        "oauth_prefix_consumer_longer_redirect_uri_refused",
        *(
            f"oauth_{flow}_{step}"
            for flow in ("authonly", "basic_only", "denied", "flow", "pkce", "prefix_callback", "second_time")
            for step in ("1_authorize", "2_approve_page", "3_approve_post")
        ),
    }
)
