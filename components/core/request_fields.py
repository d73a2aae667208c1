"""What the body of a request may hold: OpenAI's fields and what engines know beside them.

LiteLLM takes many another field for a setting of its own call: where it goes, whose key it carries,
how often it is tried, whether it is counted at all (`no-log`). So what is not here is refused.
"""

OPENAI_FIELDS = frozenset(
    {
        # every route
        *("model", "stream", "stream_options", "user", "metadata", "store", "safety_identifier"),
        *("prompt_cache_key", "prompt_cache_retention"),
        # chat
        *("messages", "n", "max_tokens", "max_completion_tokens", "temperature", "top_p", "stop"),
        *("seed", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs"),
        *("top_logprobs", "response_format", "tools", "tool_choice", "parallel_tool_calls"),
        *("functions", "function_call", "reasoning_effort", "verbosity", "prediction"),
        # completions
        *("prompt", "suffix", "echo", "best_of"),
        # responses
        *("input", "instructions", "max_output_tokens", "max_tool_calls", "include", "reasoning"),
        *("text", "truncation"),
        # embeddings
        *("encoding_format", "dimensions"),
        # rerank, which has its fields from Cohere
        *("query", "documents", "top_n", "return_documents", "max_tokens_per_doc"),
    }
)
"""Left out: what refers to something kept, which could be another tenant's (`previous_response_id`,
`conversation`), runs on without a client (`background`), or costs what no `price` counts
(`service_tier`, `web_search_options`, `modalities`, `audio`)."""

ENGINE_FIELDS = frozenset(
    {
        *("top_k", "min_p", "min_tokens", "repetition_penalty", "length_penalty", "ignore_eos"),
        *("stop_token_ids", "include_stop_str_in_output", "bad_words", "allowed_token_ids"),
        *("skip_special_tokens", "spaces_between_special_tokens", "add_special_tokens"),
        *("add_generation_prompt", "continue_final_message", "chat_template_kwargs"),
        *("truncate_prompt_tokens", "structured_outputs", "include_reasoning"),
        *("return_tokens_as_token_ids", "return_token_ids"),
    }
)
"""Of vLLM 0.31.0. Left out: a template of one's own, whose place in the queue and whose cache
(`priority`, `cache_salt`), what multiplies work (`use_beam_search`, `prompt_logprobs`), how media
are read, and ids of requests."""

NOTED_FIELDS = frozenset(
    {"tags", "litellm_metadata", "litellm_call_id", "litellm_session_id", "litellm_trace_id"}
)
"""For LiteLLM's own notes: tags of spend, and what it takes from headers of tracing."""

REQUEST_FIELDS = OPENAI_FIELDS | ENGINE_FIELDS | NOTED_FIELDS
