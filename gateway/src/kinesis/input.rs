//! Inputs that name what they act on in one of the usual ways.

/// Defines `Input<'a>`: the members by which it names what it acts on, and those given in braces.
///
/// | first word   | members                             | method       |
/// | ------------ | ----------------------------------- | ------------ |
/// | `stream`     | StreamName, StreamARN, StreamId     | `stream()`   |
/// | `stream_arn` | StreamARN (required), StreamId      | `stream()`   |
/// | `resource`   | ResourceARN (required), StreamId    | `resource()` |
macro_rules! input {
    (stream $members:tt) => {
        $crate::kinesis::input::input! {
            @ $members stream -> model::name::StreamName = $crate::kinesis::limits::stream;
            stream_name "StreamName", stream_arn "StreamARN", stream_id "StreamId"
        }
    };
    (stream_arn $members:tt) => {
        $crate::kinesis::input::input! {
            @ $members stream -> model::name::StreamName = $crate::kinesis::limits::stream_by_arn;
            stream_arn "StreamARN", stream_id "StreamId"
        }
    };
    (resource $members:tt) => {
        $crate::kinesis::input::input! {
            @ $members resource -> $crate::kinesis::stream::resource::Resource = $crate::kinesis::stream::resource::Resource::parse;
            resource_arn "ResourceARN", stream_id "StreamId"
        }
    };
    (@ { $($(#[$meta:meta])* $member:ident: $type:ty,)* } $target:ident -> $kind:ty = $parse:path;
        $($by:ident $name:literal),*) => {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "PascalCase")]
        pub(crate) struct Input<'a> {
            $(#[serde(borrow, rename = $name)] $by: Option<$crate::aws::wire::text::Text<'a>>,)*
            $($(#[$meta])* $member: $type,)*
        }

        impl Input<'_> {
            /// What the request acts on.
            pub(crate) fn $target(
                &self,
                state: &$crate::state::GatewayState,
            ) -> Result<$kind, $crate::aws::error::AwsError> {
                $parse(&state.options, $(self.$by.as_deref()),*)
            }
        }

        impl $crate::kinesis::target::Targets for Input<'_> {
            fn target(
                &self,
                state: &$crate::state::GatewayState,
            ) -> Result<$crate::kinesis::target::Target, $crate::aws::error::AwsError> {
                self.$target(state).map($crate::kinesis::target::Target::from)
            }
        }
    };
}
pub(crate) use input;
