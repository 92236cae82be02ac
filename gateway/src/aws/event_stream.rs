//! Event streams: an answer without end, cut into frames with checksums.
//!
//! ```text
//! bytes  4             4               4               ..        ..        4
//!        frame length  headers length  CRC-32 of both  headers   payload   CRC-32 of all before      (big-endian)
//!
//! header 1            ..     1          2               ..
//!        name length  name   7 = text   value length    value
//! ```

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;

use crate::aws::error::AwsError;
use crate::aws::wire::format::Format;
use crate::aws::wire::output::Output;

/// The first frame of every stream: the answer of the operation, which has no members.
pub(crate) fn initial_response(format: Format) -> Vec<u8> {
    frame([(":event-type", "initial-response")], "event", format, format.write(&NoMembers {}))
}

/// One event.
pub(crate) fn event(kind: &'static str, format: Format, event: &impl Output) -> Vec<u8> {
    frame([(":event-type", kind)], "event", format, format.write(event))
}

/// The last frame of a stream that fails.
pub(crate) fn exception(format: Format, error: &AwsError) -> Vec<u8> {
    frame([(":exception-type", error.name)], "exception", format, format.write(error))
}

#[derive(serde::Serialize)]
struct NoMembers {}

fn frame(kind: [(&'static str, &'static str); 1], message: &'static str, format: Format, payload: Vec<u8>) -> Vec<u8> {
    let content_type = match format {
        Format::Json => "application/json",
        Format::Cbor => "application/cbor",
    };
    let headers = kind.into_iter().chain([(":content-type", content_type), (":message-type", message)]);
    let headers = headers.map(|(name, value)| Header::new(name, HeaderValue::String(value.into())));
    let mut bytes = Vec::with_capacity(payload.len() + HEADERS_BYTES);
    let message = Message::new_from_parts(headers.collect(), Bytes::from(payload));
    write_message_to(&message, &mut bytes).expect("short headers, and a payload far below 4 GiB");
    bytes
}

/// More than a frame takes besides its payload.
const HEADERS_BYTES: usize = 192;

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_eventstream::frame::read_message_from;

    /// A frame as AWS sends it, byte by byte.
    #[test]
    fn the_first_frame_is_known() {
        let headers = b"\x0b:event-type\x07\x00\x10initial-response\
            \x0d:content-type\x07\x00\x10application/json\
            \x0d:message-type\x07\x00\x05event";
        let mut expected = u32::to_be_bytes(headers.len() as u32 + 18).to_vec();
        expected.extend(u32::to_be_bytes(headers.len() as u32));
        expected.extend(crc32(&expected).to_be_bytes());
        expected.extend(headers);
        expected.extend(b"{}");
        expected.extend(crc32(&expected).to_be_bytes());
        assert_eq!(initial_response(Format::Json), expected);
    }

    /// The checksum of zip files, bit by bit: an independent witness.
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
        })
    }

    #[test]
    fn exceptions_carry_their_name() {
        let bytes = exception(Format::Cbor, &AwsError::new("ResourceInUseException", "taken"));
        let message = read_message_from(bytes.as_slice()).expect("a frame");
        let header = |name: &str| {
            let found = message.headers().iter().find(|header| header.name().as_str() == name).expect("the header");
            found.value().as_string().expect("text").as_str().to_owned()
        };
        assert_eq!(header(":message-type"), "exception");
        assert_eq!(header(":exception-type"), "ResourceInUseException");
        assert_eq!(header(":content-type"), "application/cbor");
        assert_eq!(message.payload()[..], *b"\xa2\x66__type\x76ResourceInUseException\x67message\x65taken");
    }
}
