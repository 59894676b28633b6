"""Everything known about how providers say no: rules, tried in order, the first that fits wins.

A rule fits when the status is among its own (or it names none) and either a name (the error's `code` or
`type`, lower case) or some words of the message do. Where two rules could fit, the earlier one is there
because the other would be wrong; its note says so. What no rule knows falls to
`verdict.BY_STATUS`.

Sources, all read 2026-11-22:

    OpenAI      developers.openai.com/api/docs/guides/error-codes; help.openai.com article 6614457
    Anthropic   platform.claude.com/docs/en/api/errors; anthropics/claude-code issues #66314, #38035, #29584
    Gemini      ai.google.dev/gemini-api/docs/troubleshooting; google-gemini/gemini-cli issues #5191, #10925
    Mistral     docs.mistral.ai/resources/error-glossary; continuedev/continue issue #6185
    xAI         continuedev/continue issues #10373, #10778; Wei-Shaw/sub2api issue #4069
    DeepSeek    Aider-AI/aider issue #4851; stackblitz-labs/bolt.diy issue #227
    Groq        HunorLaczko/ha-groq-cloud-api issue #27; continuedev/continue issue #10920;
                console.groq.com/docs/flex-processing
    Together    docs.together.ai/docs/error-codes
    OpenRouter  openrouter.ai/docs/api/errors; open-webui/computer issue #293
    Azure       Gitlawb/openclaude issue #273; chatboxai/chatbox issue #861; microsoft/graphrag issue #1557;
                alex-wolf-ps/dbchatprov2 issue #2; microsoft/vscode issue #277663
    Vertex AI   googleapis/python-genai issues #2001, #1056; googleapis/google-cloud-java issue #11195;
                cocoindex-io/cocoindex issue #1151; NousResearch/hermes-agent issue #32678;
                BerriAI/litellm issue #18781; cloud.google.com/docs/error-reasons (google.api.ErrorReason)
    Moonshot    MoonshotAI/kimi-code pull 1857; MoonshotAI/MoonshotAI-Cookbook issue #16;
                LLM-Red-Team/kimi-cc issue #41
    Alibaba     camel-ai/owl issue #432; QwenLM/qwen-code issue #3145
    Bedrock     docs.aws.amazon.com/bedrock, "Troubleshooting Amazon Bedrock API Error Codes"; the errors of
                botocore 1.44.5's service model; BerriAI/litellm issues #32683, #34272
    vLLM        vllm-project/vllm issues #4667, #20409
    llama.cpp   seen on the wire from xllamacpp 2026.10.11549
"""

from typing import NamedTuple

from passerelle.core.errors import FailureKind


class Rule(NamedTuple):
    """One piece of knowledge about providers' errors."""

    kind: FailureKind
    names: frozenset[str] = frozenset()
    """Values of `code` or `type`, lower case."""
    words: tuple[str, ...] = ()
    """Pieces of the message, lower case."""
    statuses: frozenset[int] | None = None
    """HTTP statuses it holds for; None for any."""
    same: bool | None = None
    """Overrides whether the same deployment may be tried again."""
    why: str = ""


def _names(*names: str) -> frozenset[str]:
    return frozenset(names)


_CLIENT_ERRORS = frozenset(range(400, 500))

RULES: tuple[Rule, ...] = (
    Rule(
        "rate_limited",
        words=("request too large for", "request would exceed your"),
        statuses=frozenset({413, 429}),
        same=False,
        why="Groq 413 and OpenAI 429: one request larger than the whole per-minute allowance. Waiting never "
        "helps here, another deployment may; before the context rule, whose words it nearly uses",
    ),
    Rule(
        "rate_limited",
        words=("usage is required for long context", "usage credits are required for long context"),
        same=False,
        why="Anthropic 429 for long-context requests on a plan without them; not a full context window",
    ),
    Rule(
        "billing",
        names=_names(
            "credit_balance_exhausted",
            "billing_hard_limit_reached",
            "billing_not_active",
            "billing_error",
            "payment_required",
            "insufficient_balance",
            "insufficient_credits",
            "insufficient_funds",
            "exceeded_current_quota_error",
            "billing_disabled",
        ),
        words=(
            "credit balance is too low",
            "insufficient balance",
            "insufficient credit",
            "out of credits",
            "run out of credits",
            "used all available credits",
            "requires more credits",
            "requires billing to be enabled",
            "billing hard limit",
            "account is not active, please check your billing",
        ),
        why="no money left: Anthropic says it with 400, DeepSeek with 402 or 400, xAI with 429 or 403",
    ),
    Rule(
        "quota",
        names=_names(
            "insufficient_quota",
            "organization_usage_limit_exceeded",
            "organization_spend_limit_exceeded",
            "project_spend_limit_exceeded",
            "enforced_spend_limit_reached",
            "usage_limit_reached",
            "quota_exceeded",
        ),
        words=(
            "reached your specified api usage limits",
            "you will regain access on",
            "monthly spending limit",
            "monthly spending cap",
        ),
        why="an allowance of the month: OpenAI's four codes under type `insufficient_quota`, Anthropic's 400 "
        "and its 429 with `details.error_code`",
    ),
    Rule(
        "quota",
        names=_names("servicequotaexceededexception"),
        why="Bedrock 400: an allowance of the account, which only Amazon raises; its errors are named in the "
        "header `x-amzn-errortype` (docs.aws.amazon.com/bedrock, troubleshooting API error codes; botocore "
        "1.44.5's service model)",
    ),
    Rule(
        "quota",
        names=_names("perday", "permonth"),
        words=("per day", "(tpd)", "(rpd)", "daily limit", "daily quota", "per month", "monthly limit"),
        statuses=frozenset({429}),
        why="Groq TPD and RPD, Gemini quota ids named PerDay: classed with the month, not with the minute",
    ),
    Rule(
        "auth",
        names=_names(
            "invalid_api_key",
            "api_key_invalid",
            "api_key_expired",
            "api_key_service_blocked",
            "access_token_expired",
            "account_deactivated",
            "authentication_error",
            "invalid_authentication_error",
            "unauthenticated",
            "unsupported_country_region_territory",
            "access_token_scope_insufficient",
            "consumer_invalid",
            "consumer_suspended",
            "credentials_missing",
            "iam_permission_denied",
            "permissiondenied",
            "service_disabled",
        ),
        words=(
            "incorrect api key provided",
            "api key not valid",
            "api key expired",
            "api key was reported as leaked",
            "invalid api key",
            "invalid x-api-key",
            "must be a member of an organization",
            "user location is not supported",
            "country, region, or territory not supported",
            "enable billing on your project",
            "lacks the required data action",
            "organization policy constraint",
        ),
        why="our credential or place is refused, whatever the status: xAI and Gemini say it with 400, and so "
        "do Google's organisation policies; `SERVICE_DISABLED` is a project without the API",
    ),
    Rule(
        "not_found",
        words=(
            "don't have access to the model with the specified model id",
            "on-demand throughput isn't supported",
            "on-demand throughput isn\u2019t supported",
            "provided model identifier is invalid",
            "model use case details have not been submitted",
            "has reached the end of its life",
            "is not supported in this region",
        ),
        why="Bedrock: the account may not ask for this model by this id; with 403, 400 and 404. A newer "
        "model is named by its inference profile (danielcorin.com/til/bedrock; BerriAI/litellm#34272)",
    ),
    Rule(
        "auth",
        names=_names(
            "accessdeniedexception",
            "expiredtoken",
            "expiredtokenexception",
            "incompletesignature",
            "incompletesignatureexception",
            "invalidclienttokenid",
            "invalidsignatureexception",
            "missingauthenticationtokenexception",
            "notauthorized",
            "optinrequired",
            "signaturedoesnotmatch",
            "unrecognizedclientexception",
        ),
        words=("operation not allowed",),
        statuses=frozenset({0, 400, 401, 403}),
        why="AWS, common error types: keys unknown, expired, or not allowed to invoke; 400 for a signature "
        "that is not whole",
    ),
    Rule(
        "content_policy",
        names=_names(
            "content_filter",
            "content_policy_violation",
            "responsibleaipolicyviolation",
            "moderation_blocked",
            "data_inspection_failed",
            "datainspectionfailed",
            "prohibited_content",
        ),
        words=(
            "flagged as potentially violating our usage policy",
            "content management policy",
            "violate our usage policy",
            "violates our usage policy",
            "content filtering policy",
            "content violates usage guidelines",
            "content exists risk",
            "may contain inappropriate content",
            "requires moderation",
            "input was flagged",
        ),
        why="a refusal, not an outage: OpenAI and Azure with 400, OpenRouter and xAI with 403, DeepSeek 400",
    ),
    Rule(
        "invalid_request",
        words=(
            "previous response with id",
            "item with id",
            "no such file",
            "no file found",
            "no such container",
            "file_",
            "resp_",
        ),
        statuses=frozenset({404}),
        why="404 for something the caller named (a stored response, a file): the caller's mistake, not the "
        "catalog's, so it does not alarm",
    ),
    Rule(
        "context_length",
        names=_names(
            "context_length_exceeded",
            "exceed_context_size_error",
            "model_context_window_exceeded",
            "token_limit_exceeded",
            "request_too_large",
        ),
        words=(
            "prompt is too long",
            "prompt too long",
            "input is too long",
            "too many input tokens",
            "exceed context limit",
            "exceeds the context window",
            "exceeded the context window",
            "maximum context length",
            "maximum prompt length is",
            "exceeds the maximum number of tokens",
            "exceeds the available context size",
            "longer than the model's context length",
            "greater than the context length",
            "context window exceeds limit",
            "context length is only",
            "exceeded model token limit",
            "reduce the length of the messages",
            "must be less than the context length",
            "tokens in request more than max tokens allowed",
            "max_tokens must be at least 1, got -",
            "request exceeds the maximum size",
        ),
        why="too long for this model, in each provider's words; Together says it with 403, vLLM once as a "
        "negative `max_tokens`",
    ),
    Rule(
        "not_found",
        names=_names(
            "model_not_found",
            "deploymentnotfound",
            "deployment_not_found",
            "model_decommissioned",
            "model_deprecated",
            "unknown_model",
            "invalid_model",
            "model_not_available",
            "model_not_supported",
            "unknown_url",
            "not_supported_error",
            "operationnotsupported",
        ),
        words=(
            "does not exist or you do not have access",
            "model not exist",
            "invalid model:",
            "is not a valid model id",
            "is not found for api version",
            "no endpoints found",
            "has been decommissioned",
            "unable to access model",
            "try pulling it first",
            "does not support embeddings",
            "is not servable in region",
            "api version not supported",
        ),
        why="the catalog names what this provider has not (any more): 404 mostly, 400 at Mistral, DeepSeek, "
        "Groq and OpenRouter, for a model's wrong surface at Azure and its wrong region at Vertex AI, 501 "
        "from a llama.cpp started without embeddings",
    ),
    Rule(
        "invalid_request",
        words=("image input is not supported", "audio input is not supported"),
        statuses=frozenset({500}),
        why="llama.cpp answers 500 to media it was not started for",
    ),
    Rule(
        "overloaded",
        names=_names(
            "overloaded_error",
            "server_is_overloaded",
            "server_overloaded",
            "engine_overloaded",
            "engine_overloaded_error",
            "model_overloaded",
            "service_unavailable_error",
            "service_tier_capacity_exceeded",
            "capacity_exceeded",
            "unavailable_error",
        ),
        words=(
            "overloaded",
            "capacity exceeded",
            "over capacity",
            "at capacity",
            "experiencing high demand",
            "currently unavailable due to high",
            "loading model",
            "resource exhausted. please try again later",
            "out of capacity",
        ),
        statuses=frozenset({0, 200, 429, 498, 500, 502, 503, 529}),
        why="no capacity at the provider, which Mistral and Azure say with 429, and Vertex AI, where all "
        "customers share what there is, in those words: not our rate",
    ),
    Rule(
        "overloaded",
        names=_names("modelnotreadyexception", "serviceunavailableexception"),
        why="Bedrock 429 and 503: the model is being loaded, which AWS's own SDKs wait for and repeat",
    ),
    Rule(
        "overloaded",
        names=_names("unavailable"),
        statuses=frozenset({0, 200}),
        why="Gemini's UNAVAILABLE inside a stream; with a status of its own the status speaks",
    ),
    Rule(
        "rate_limited",
        names=_names(
            "rate_limit_exceeded",
            "rate_limit_error",
            "rate_limit_reached_error",
            "slow_down",
            "resource_exhausted",
            "too_many_requests",
            "throttlingexception",
        ),
        words=("rate limit", "too many requests"),
        statuses=frozenset({0, 200, 400, 403, 413, 429}),
        why="the per-minute limit under another status",
    ),
    Rule(
        "server_error",
        names=_names(
            "server_error",
            "api_error",
            "internal_error",
            "internal",
            "internal_server_error",
            "internalserverexception",
            "modelerrorexception",
            "modelstreamerrorexception",
        ),
        statuses=frozenset({0, 200}),
        why="said inside a stream or a 200, where no status speaks",
    ),
    Rule(
        "timeout",
        names=_names("timeout_error", "deadline_exceeded", "modeltimeoutexception"),
        statuses=frozenset({0, 200, 408, 504}),
        why="the provider's own deadline passed: Anthropic `timeout_error`, Gemini `DEADLINE_EXCEEDED`",
    ),
    Rule(
        "invalid_request",
        names=_names("invalid_request_error", "invalid_argument", "validationexception"),
        statuses=_CLIENT_ERRORS - {401, 402, 403, 404, 405, 408, 409, 413, 425, 429} | {0, 200},
        why="last, because DeepSeek, Anthropic and Mistral put it on nearly everything",
    ),
)
