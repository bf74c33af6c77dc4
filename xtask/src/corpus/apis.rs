//! Which dialect a recorded API is.

use lockgate_dialects::canonical::Operation;
use lockgate_dialects::{Dialect, by_name};

/// The corpus's names of APIs, with our dialect and operation for each.
const APIS: &[(&str, &str, Operation)] = &[
    ("chat", "openai_chat", Operation::Chat),
    ("chat_openai_compat", "openai_chat", Operation::Chat),
    ("completions", "openai_completions", Operation::Complete),
    ("embeddings", "openai_embeddings", Operation::Embed),
    ("responses", "openai_responses", Operation::Chat),
    ("messages", "anthropic_messages", Operation::Chat),
    ("complete_legacy", "anthropic_complete", Operation::Complete),
    ("generate_content", "gemini", Operation::Chat),
    ("stream_generate_content", "gemini", Operation::Chat),
    ("embed_content", "gemini", Operation::Embed),
    ("batch_embed_contents", "gemini_batch", Operation::Embed),
    ("chat_v1", "cohere_v1", Operation::Chat),
    ("generate_v1", "cohere_v1", Operation::Complete),
    ("embed_v1", "cohere_v1", Operation::Embed),
    ("rerank_v1", "cohere_v1", Operation::Rerank),
    ("chat_v2", "cohere_v2", Operation::Chat),
    ("embed_v2", "cohere_v2", Operation::Embed),
    ("rerank_v2", "cohere_v2", Operation::Rerank),
    ("rerank", "jina_rerank", Operation::Rerank),
    ("rerank_voyage", "voyage_rerank", Operation::Rerank),
    ("converse", "bedrock_converse", Operation::Chat),
    ("converse_stream", "bedrock_converse", Operation::Chat),
    ("chat_native", "ollama", Operation::Chat),
    ("generate_native", "ollama", Operation::Complete),
];

/// Providers that have an API of another kind under a name of the table.
const ELSEWHERE: &[(&str, &str)] = &[("ollama", "embeddings"), ("bedrock", "rerank")];

/// The dialect and operation of a provider's API; `None` while there is no dialect for it.
pub(crate) fn of(provider: &str, api: &str, path: &str) -> Option<(&'static dyn Dialect, Operation)> {
    // Reports on embeddings and calls of stored prompts are filed beside them.
    let reports = path.contains("/usage/") || path.contains("/prompts/");
    if reports || ELSEWHERE.contains(&(provider, api)) {
        return None;
    }
    // Voyage ranks in words of its own.
    let api = if (provider, api) == ("voyage", "rerank") { "rerank_voyage" } else { api };
    let (_, dialect, operation) = APIS.iter().find(|(name, ..)| *name == api)?;
    let dialect = by_name(dialect)?;
    dialect.speaks(*operation).then_some((dialect, *operation))
}
