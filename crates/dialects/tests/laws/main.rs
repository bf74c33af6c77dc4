//! Laws that hold for every body and every stream, whatever it says.

mod anthropic;
mod bedrock;
mod bodies;
mod every_codec;
mod gemini;
mod grammar;
mod json;
mod made_up;
mod one_block;
mod openai;
mod responses;
