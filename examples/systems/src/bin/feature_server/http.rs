//! Which requests the server answers, and its responses.

use serde::Serialize;
use threadwise_systems::http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, RETRY_AFTER,
    TRANSFER_ENCODING,
};
use threadwise_systems::http::{Answer, Method, Request, StatusCode};
use ureq_proto::http::Version;

/// The most bytes of a URL.
pub(crate) const MAX_URL: usize = 1024;

/// Checks a request without its body. Returns the response to a request that the server refuses.
pub(crate) fn refusal<B>(request: &Request<B>) -> Option<Answer> {
    let headers = request.headers();
    let refuse = |status, why: &str| Some(with(error(status, why), CONNECTION, "close"));
    if request.method() != Method::GET {
        let refusal = error(StatusCode::METHOD_NOT_ALLOWED, "only GET is understood here");
        return Some(with(with(refusal, ALLOW, "GET"), CONNECTION, "close"));
    }
    if request.uri().to_string().len() > MAX_URL {
        return refuse(StatusCode::URI_TOO_LONG, &format!("a URL longer than {MAX_URL} bytes"));
    }
    if request.version() == Version::HTTP_11 && headers.get_all(HOST).iter().count() != 1 {
        return refuse(StatusCode::BAD_REQUEST, "a request without one `Host`");
    }
    let has_length = headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    if has_length || headers.contains_key(TRANSFER_ENCODING) {
        return refuse(StatusCode::BAD_REQUEST, "a GET with a body");
    }
    None
}

/// A response in JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let mut response = Answer::new(serde_json::to_string(value).expect("names and numbers") + "\n");
    *response.status_mut() = status;
    with(response, CONTENT_TYPE, "application/json")
}

/// A JSON error.
pub(crate) fn error(status: StatusCode, why: &str) -> Answer {
    json(status, &serde_json::json!({ "error": why }))
}

/// The error 503, which asks the client to try again after a second.
pub(crate) fn unavailable(why: &str) -> Answer {
    with(error(StatusCode::SERVICE_UNAVAILABLE, why), RETRY_AFTER, "1")
}

fn with(mut response: Answer, name: HeaderName, value: &'static str) -> Answer {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}
