//! The JSON Schema of a config, for editors.

use serde_json::Value;

use crate::written::File;

/// The schema, made from the types that read the file.
pub(crate) fn schema() -> Value {
    schemars::schema_for!(File).to_value()
}
