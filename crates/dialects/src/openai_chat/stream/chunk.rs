//! A chunk as it is read: leniently, and with everything that no event has a place for.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Fields without a place, but for those that say nothing.
pub(super) type Rest<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// Declares an object of which the named fields are read and the others kept. `null` counts as absent.
macro_rules! object_with_rest {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(super) struct $name<'a> {
            $($(#[$field_doc])* pub(super) $field: Option<$kind>,)*
            pub(super) rest: Rest<'a>,
        }

        impl<'de: 'a, 'a> Deserialize<'de> for $name<'a> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Fields;
                impl<'a> Visitor<'a> for Fields {
                    type Value = $name<'a>;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        let mut object = $name::default();
                        while let Some(Key(name)) = map.next_key::<Key<'a>>()? {
                            match &*name {
                                $(stringify!($field) => object.$field = map.next_value()?,)*
                                _ => {
                                    let value: &'a RawValue = map.next_value()?;
                                    if !matches!(value.get(), "null" | "[]" | "{}" | "\"\"") {
                                        object.rest.push((name, value));
                                    }
                                }
                            }
                        }
                        Ok(object)
                    }
                }
                deserializer.deserialize_map(Fields)
            }
        }
    };
}

object_with_rest! {
    /// One chunk.
    Chunk {
        id: &'a RawValue,
        object: &'a RawValue,
        created: &'a RawValue,
        model: &'a RawValue,
        choices: Vec<ChunkChoice<'a>>,
        usage: &'a RawValue,
        error: &'a RawValue,
    }
}

object_with_rest! {
    ChunkChoice {
        index: u32,
        /// Azure sends choices that hold only what its filter says.
        delta: Delta<'a>,
        /// Of text completion; Together repeats a chat's content there.
        text: Text<'a>,
        finish_reason: Text<'a>,
        logprobs: &'a RawValue,
    }
}

object_with_rest! {
    Delta {
        role: &'a RawValue,
        /// A string, or Mistral's list of parts.
        content: &'a RawValue,
        reasoning_content: &'a RawValue,
        reasoning: &'a RawValue,
        reasoning_details: &'a RawValue,
        refusal: Text<'a>,
        tool_calls: Vec<CallPiece<'a>>,
        /// The form before there were tools.
        function_call: FunctionPiece<'a>,
    }
}

object_with_rest! {
    CallPiece {
        index: u32,
        id: Text<'a>,
        function: FunctionPiece<'a>,
        /// OpenAI's custom tools, whose input is text.
        custom: FunctionPiece<'a>,
        extra_content: &'a RawValue,
    }
}

object_with_rest! {
    FunctionPiece {
        name: Text<'a>,
        /// A string; some servers write JSON.
        arguments: &'a RawValue,
        /// The arguments of a custom tool.
        input: &'a RawValue,
    }
}

/// Text, borrowed where it holds no escape.
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

/// A field's name.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer).map(Text)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer).map(Key)
    }
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, str>, D::Error> {
    struct Letters;
    impl<'de> Visitor<'de> for Letters {
        type Value = Cow<'de, str>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
            Ok(Cow::Borrowed(text))
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Cow::Owned(text.to_owned()))
        }
    }
    deserializer.deserialize_str(Letters)
}
