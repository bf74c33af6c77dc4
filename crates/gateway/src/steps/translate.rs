//! From one dialect to another through the canonical model: requests on the way in, answers on the way out.

use lockgate_dialects::canonical::{
    ChatRequest, Class, CompletionRequest, EmbeddingRequest, Encoding, Extras, Failure, Losses, Message,
    Operation, RerankRequest, Sampling, Usage, bridge,
};
use lockgate_dialects::stream::{StreamDecoder, StreamEncoder, UsageMeter};
use lockgate_dialects::{ChatCodec, CompletionCodec, Dialect, EmbeddingCodec, ModelTraits, RerankCodec};

/// What a body asks, understood.
pub(crate) enum Asked {
    Chat(Box<ChatRequest>),
    Complete(Box<CompletionRequest>),
    Embed(Box<EmbeddingRequest>),
    Rerank(Box<RerankRequest>),
}

impl Asked {
    /// Understands a client's body.
    ///
    /// # Errors
    /// A [`Failure`] that names each wrong field, or says that the client's API has no such operation.
    pub(crate) fn decode(dialect: &dyn Dialect, operation: Operation, body: &[u8]) -> Result<Self, Failure> {
        if !dialect.speaks(operation) {
            let message =
                format!("The route serves {}, which this API does not have", operation.route_type());
            return Err(Failure::new(Class::WrongOperation, message));
        }
        Ok(match operation {
            Operation::Chat => Self::Chat(Box::new(chat(dialect)?.decode_request(body)?)),
            Operation::Complete => Self::Complete(Box::new(complete(dialect)?.decode_request(body)?)),
            Operation::Embed => Self::Embed(Box::new(embed(dialect)?.decode_request(body)?)),
            Operation::Rerank => Self::Rerank(Box::new(rerank(dialect)?.decode_request(body)?)),
        })
    }

    /// Says it in a provider's dialect; a completion becomes a chat where the provider is asked to chat.
    ///
    /// # Errors
    /// A [`Failure`] when it cannot be said at all.
    pub(crate) fn encode(
        self,
        dialect: &dyn Dialect,
        operation: Operation,
        traits: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        match (self, operation) {
            (Self::Chat(asked), Operation::Chat) => chat(dialect)?.encode_request(&asked, traits, losses),
            (Self::Complete(asked), Operation::Complete) => {
                complete(dialect)?.encode_request(&asked, traits, losses)
            }
            (Self::Complete(asked), Operation::Chat) => {
                chat(dialect)?.encode_request(&bridge::as_chat(*asked, losses)?, traits, losses)
            }
            (Self::Embed(asked), Operation::Embed) => embed(dialect)?.encode_request(&asked, traits, losses),
            (Self::Rerank(asked), Operation::Rerank) => {
                rerank(dialect)?.encode_request(&asked, traits, losses)
            }
            _ => Err(unspoken(dialect, operation)),
        }
    }

    /// The model that the body names.
    pub(crate) fn model(&self) -> Option<&str> {
        match self {
            Self::Chat(asked) => asked.model.as_deref(),
            Self::Complete(asked) => asked.model.as_deref(),
            Self::Embed(asked) => asked.model.as_deref(),
            Self::Rerank(asked) => asked.model.as_deref(),
        }
    }

    pub(crate) fn streamed(&self) -> bool {
        match self {
            Self::Chat(asked) => asked.stream == Some(true),
            Self::Complete(asked) => asked.stream == Some(true),
            Self::Embed(_) | Self::Rerank(_) => false,
        }
    }

    /// Takes over from the path whether the answer is a stream.
    pub(crate) fn set_streamed(&mut self, streamed: bool) {
        match self {
            Self::Chat(asked) => asked.stream = Some(streamed),
            Self::Complete(asked) => asked.stream = Some(streamed),
            Self::Embed(_) | Self::Rerank(_) => {}
        }
    }

    /// Whether the client asked for usage at the end of its stream.
    pub(crate) fn stream_usage(&self) -> bool {
        match self {
            Self::Chat(asked) => asked.stream_usage,
            Self::Complete(asked) => asked.stream_usage,
            Self::Embed(_) | Self::Rerank(_) => false,
        }
    }

    /// Asks for usage at the end of a stream, whatever the client said.
    pub(crate) fn ask_stream_usage(&mut self) {
        match self {
            Self::Chat(asked) => asked.stream_usage = true,
            Self::Complete(asked) => asked.stream_usage = true,
            Self::Embed(_) | Self::Rerank(_) => {}
        }
    }

    /// How the client wants vectors written: numbers, unless it says otherwise. `None`: as the provider wrote them,
    /// which is what MLflow makes of a wish for base64.
    pub(crate) fn encoding(&self, mlflow: bool) -> Option<Encoding> {
        match self {
            Self::Embed(asked) if mlflow && asked.encoding == Some(Encoding::Base64) => None,
            Self::Embed(asked) => Some(asked.encoding.unwrap_or(Encoding::Float)),
            Self::Chat(_) | Self::Complete(_) | Self::Rerank(_) => None,
        }
    }

    pub(crate) fn sampling(&self) -> Option<&Sampling> {
        match self {
            Self::Chat(asked) => Some(&asked.sampling),
            Self::Complete(asked) => Some(&asked.sampling),
            Self::Embed(_) | Self::Rerank(_) => None,
        }
    }

    /// The most tokens that all answers together may have, where the body limits them.
    pub(crate) fn most_tokens(&self) -> Option<u64> {
        let sampling = self.sampling()?;
        Some(sampling.max_tokens?.value.saturating_mul(sampling.n.unwrap_or(1).max(1)))
    }

    pub(crate) fn extras(&self) -> &Extras {
        match self {
            Self::Chat(asked) => &asked.extras,
            Self::Complete(asked) => &asked.extras,
            Self::Embed(asked) => &asked.extras,
            Self::Rerank(asked) => &asked.extras,
        }
    }

    pub(crate) fn messages(&self) -> &[Message] {
        match self {
            Self::Chat(asked) => &asked.messages,
            Self::Complete(_) | Self::Embed(_) | Self::Rerank(_) => &[],
        }
    }
}

/// Who speaks what on the two sides of a call.
#[derive(Clone, Copy)]
pub(crate) struct Sides {
    pub(crate) client: &'static dyn Dialect,
    pub(crate) asked: Operation,
    pub(crate) provider: &'static dyn Dialect,
    pub(crate) answered: Operation,
}

/// What an answer needs beside the provider's words.
pub(crate) struct Missing<'a> {
    /// The configured name, where the provider gives none.
    pub(crate) model: Option<&'a str>,
    /// Unix seconds, where the provider gives none.
    pub(crate) created: u64,
    /// How the client wants vectors written; `None`: as the provider wrote them.
    pub(crate) encoding: Option<Encoding>,
}

impl Sides {
    /// Whether both speak the same language about the same thing, so that bytes pass.
    pub(crate) fn alike(&self) -> bool {
        self.client.name() == self.provider.name() && self.asked == self.answered
    }

    /// A provider's whole answer in the client's dialect, and what it consumed.
    ///
    /// # Errors
    /// A [`Failure`] that blames the upstream.
    pub(crate) fn answer(
        &self,
        body: &[u8],
        missing: &Missing<'_>,
        losses: &mut Losses,
    ) -> Result<(Vec<u8>, Option<Usage>), Failure> {
        let model = || missing.model.map(str::to_owned);
        match (self.answered, self.asked) {
            (Operation::Chat, asked) => {
                let mut response = chat(self.provider)?.decode_response(body)?;
                response.created.get_or_insert(missing.created);
                response.model = response.model.or_else(model);
                let usage = response.usage;
                if asked == Operation::Chat {
                    return Ok((chat(self.client)?.encode_response(&response, losses), usage));
                }
                let response = bridge::as_completion(response, losses);
                Ok((complete(self.client)?.encode_response(&response, losses), usage))
            }
            (Operation::Complete, _) => {
                let mut response = complete(self.provider)?.decode_response(body)?;
                response.created.get_or_insert(missing.created);
                response.model = response.model.or_else(model);
                Ok((complete(self.client)?.encode_response(&response, losses), response.usage))
            }
            (Operation::Embed, _) => {
                let mut response = embed(self.provider)?.decode_response(body)?;
                response.model = response.model.or_else(model);
                missing.encoding.map_or(Ok(()), |encoding| response.recode(encoding))?;
                Ok((embed(self.client)?.encode_response(&response, losses), response.usage))
            }
            (Operation::Rerank, _) => {
                let mut response = rerank(self.provider)?.decode_response(body)?;
                response.model = response.model.or_else(model);
                Ok((rerank(self.client)?.encode_response(&response, losses), response.usage))
            }
        }
    }

    /// The reader of the provider's stream; `None` where it has none.
    pub(crate) fn stream_decoder(&self) -> Option<Box<dyn StreamDecoder>> {
        match self.answered {
            Operation::Chat => self.provider.chat()?.stream_decoder(),
            Operation::Complete => self.provider.complete()?.stream_decoder(),
            Operation::Embed | Operation::Rerank => None,
        }
    }

    /// The writer of the client's stream.
    pub(crate) fn stream_encoder(&self, include_usage: bool) -> Option<Box<dyn StreamEncoder>> {
        match self.asked {
            Operation::Chat => self.client.chat()?.stream_encoder(include_usage),
            Operation::Complete => self.client.complete()?.stream_encoder(include_usage),
            Operation::Embed | Operation::Rerank => None,
        }
    }

    /// The reader of usage in bytes that pass.
    pub(crate) fn meter(&self, streamed: bool) -> Option<Box<dyn UsageMeter>> {
        Some(match self.answered {
            Operation::Chat => self.provider.chat()?.meter(streamed),
            Operation::Complete => self.provider.complete()?.meter(streamed),
            Operation::Embed => self.provider.embed()?.meter(),
            Operation::Rerank => self.provider.rerank()?.meter(),
        })
    }
}

fn chat(dialect: &dyn Dialect) -> Result<&dyn ChatCodec, Failure> {
    dialect.chat().ok_or_else(|| unspoken(dialect, Operation::Chat))
}

fn complete(dialect: &dyn Dialect) -> Result<&dyn CompletionCodec, Failure> {
    dialect.complete().ok_or_else(|| unspoken(dialect, Operation::Complete))
}

fn embed(dialect: &dyn Dialect) -> Result<&dyn EmbeddingCodec, Failure> {
    dialect.embed().ok_or_else(|| unspoken(dialect, Operation::Embed))
}

fn rerank(dialect: &dyn Dialect) -> Result<&dyn RerankCodec, Failure> {
    dialect.rerank().ok_or_else(|| unspoken(dialect, Operation::Rerank))
}

/// A catalogue entry names a dialect for an operation that the dialect lacks.
fn unspoken(dialect: &dyn Dialect, operation: Operation) -> Failure {
    let message = format!("The dialect '{}' has no {}", dialect.name(), operation.mlflow_word());
    Failure::new(Class::Internal, message)
}
