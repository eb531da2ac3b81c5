/**
 * The errors with which the gateway itself answers. A test compares this table with `docs/errors.md`.
 *
 * OpenAI's types: https://platform.openai.com/docs/guides/error-codes. Anthropic's: https://docs.anthropic.com/en/api/errors.
 */
export interface GatewayErrorFacts {
  /** The HTTP status. An error inside a stream has it only in its text, because the stream began with 200. */
  readonly status: number
  /** `error.type` in OpenAI's envelope. */
  readonly type: 'invalid_request_error' | 'server_error' | 'rate_limit_error' | 'insufficient_quota'
  /** `error.type` in Anthropic's envelope. */
  readonly anthropicType:
    | 'invalid_request_error'
    | 'authentication_error'
    | 'permission_error'
    | 'not_found_error'
    | 'request_too_large'
    | 'rate_limit_error'
    | 'timeout_error'
    | 'overloaded_error'
    | 'api_error'
  /** For a person. `gatewayErrorMessage` replaces `{detail}`. */
  readonly message: string
  /** What the caller can do about it. */
  readonly remedy: string
}

const request = { type: 'invalid_request_error', anthropicType: 'invalid_request_error' } as const
const server = { type: 'server_error', anthropicType: 'api_error' } as const

export const gatewayErrors = {
  bad_request: {
    status: 400,
    ...request,
    message: 'The HTTP request is malformed: {detail}.',
    remedy: 'Send one `Host`, a path as the request target, and no obsolete or contradictory framing.',
  },
  invalid_json: {
    status: 400,
    ...request,
    message: 'The body is not a JSON object.',
    remedy: 'Send one JSON object in UTF-8.',
  },
  invalid_multipart: {
    status: 400,
    ...request,
    message: 'The body is not well-formed multipart/form-data: {detail}.',
    remedy:
      'Send `multipart/form-data` with the one boundary that its `content-type` names, and each part with one plain `name`.',
  },
  missing_model: {
    status: 400,
    ...request,
    message: 'The body has no `model` that is a string.',
    remedy: 'Name a route in `model`; `GET /v1/models` lists those that you may use.',
  },
  duplicate_model: {
    status: 400,
    ...request,
    message: 'The body has more than one `model`.',
    remedy: 'Send `model` once: servers disagree on which of two values counts.',
  },
  invalid_api_key: {
    status: 401,
    type: 'invalid_request_error',
    anthropicType: 'authentication_error',
    message: 'The request has no valid API key, and it needs one.',
    remedy:
      'Send an active key as `Authorization: Bearer …`, `x-api-key` or `api-key`; for a public model you may send none at all.',
  },
  route_not_allowed: {
    status: 403,
    type: 'invalid_request_error',
    anthropicType: 'permission_error',
    message: 'This API key may not call {detail}.',
    remedy: 'Ask an operator for access, or use a key with the scope `INFERENCE` and this route in its list.',
  },
  model_not_found: {
    status: 404,
    type: 'invalid_request_error',
    anthropicType: 'not_found_error',
    message: 'There is no model {detail}.',
    remedy: 'Check the spelling; `GET /v1/models` lists the models that you may use.',
  },
  operation_not_served: {
    status: 404,
    type: 'invalid_request_error',
    anthropicType: 'not_found_error',
    message: 'This model does not serve {detail}.',
    remedy: 'Call another operation, or another model; an operator sees in `routeExplain` what each target serves.',
  },
  unknown_url: {
    status: 404,
    type: 'invalid_request_error',
    anthropicType: 'not_found_error',
    message: 'There is no such operation: {detail}.',
    remedy:
      'Check the base URL, which the message names: it ends with `/v1` for OpenAI’s clients and has no path for Anthropic’s. `docs/operations.md` lists the operations.',
  },
  method_not_allowed: {
    status: 405,
    ...request,
    message: 'This path does not take that method.',
    remedy: 'Use the method that the `allow` header names.',
  },
  request_timeout: {
    status: 408,
    type: 'invalid_request_error',
    anthropicType: 'timeout_error',
    message: 'The request did not arrive in time.',
    remedy:
      'Send headers within 15 s, a body with at least 8 KB in each 30 s, and the whole request within 10 minutes.',
  },
  request_too_large: {
    status: 413,
    type: 'invalid_request_error',
    anthropicType: 'request_too_large',
    message: 'The body is larger than this gateway accepts.',
    remedy: 'Send less, or ask an operator to raise the limit (`SIGNALBOX_MAX_REQUEST_BYTES`).',
  },
  unsupported_media_type: {
    status: 415,
    ...request,
    message: 'This operation does not take a body of that type or encoding.',
    remedy:
      'Send `application/json` in UTF-8, or `multipart/form-data` where the operation takes files, uncompressed or compressed with `gzip` or `zstd`.',
  },
  expectation_failed: {
    status: 417,
    ...request,
    message: 'The gateway supports only the expectation `100-continue`.',
    remedy: 'Leave the `Expect` header out.',
  },
  upgrade_required: {
    status: 426,
    ...request,
    message: 'The gateway does not support WebSockets.',
    remedy: 'Send the request over HTTP; with `stream: true` its answer comes as server-sent events.',
  },
  rate_limit_exceeded: {
    status: 429,
    type: 'rate_limit_error',
    anthropicType: 'rate_limit_error',
    message: 'A rate limit is reached: {detail}.',
    remedy:
      'Try again after `retry-after`, as most clients do automatically; the headers `x-ratelimit-*` show what is left. An operator can raise the limit.',
  },
  insufficient_quota: {
    status: 429,
    type: 'insufficient_quota',
    anthropicType: 'rate_limit_error',
    message: 'A budget is used up: {detail}.',
    remedy: 'A retry fails until the budget’s next period begins, unless an operator raises the budget.',
  },
  headers_too_large: {
    status: 431,
    ...request,
    message: 'The request headers are too large.',
    remedy: 'Send fewer or shorter headers: 16 KiB in all.',
  },
  internal_error: {
    status: 500,
    ...server,
    message: 'The gateway failed.',
    remedy: 'Report it with the `x-request-id` of this answer.',
  },
  upstream_unreachable: {
    status: 502,
    ...server,
    message: 'The model could not be reached.',
    remedy: 'Try again. If it persists, an operator finds the cause in the health of the backend.',
  },
  upstream_auth_failed: {
    status: 502,
    ...server,
    message: 'The model refused the credential that this gateway has for it.',
    remedy: 'An operator must renew the secret of the provider or deployment; your own key is fine.',
  },
  upstream_truncated: {
    status: 502,
    ...server,
    message: 'The answer broke off: the model stopped before its end.',
    remedy: 'Discard the partial answer, or use it as incomplete; then try again.',
  },
  upstream_invalid_answer: {
    status: 502,
    ...server,
    message: 'The model, or a proxy in front of it, sent something that is not an answer of this operation.',
    remedy: 'Try again. If it persists, an operator finds the received text in the request log, at the attempt.',
  },
  no_target_available: {
    status: 503,
    type: 'server_error',
    anthropicType: 'overloaded_error',
    message: 'No backend of this model can take a request now.',
    remedy: 'Try again after `retry-after`; an operator sees the reason of each target in `routeExplain`.',
  },
  overloaded: {
    status: 503,
    type: 'server_error',
    anthropicType: 'overloaded_error',
    message: 'The gateway has too many requests in flight, or their bodies take too much memory.',
    remedy:
      'Try again after `retry-after`. If it occurs with few requests, the gateway has no file descriptors left (`process_open_fds` in `/metrics`): raise its `ulimit -n`.',
  },
  configuration_stale: {
    status: 503,
    type: 'server_error',
    anthropicType: 'overloaded_error',
    message: 'This gateway has been without its database for longer than it may serve.',
    remedy:
      'Try again: another gateway may serve. An operator must find out why this gateway cannot reach its database, or raise `SIGNALBOX_MAX_STALENESS_MS`.',
  },
  shutting_down: {
    status: 503,
    type: 'server_error',
    anthropicType: 'overloaded_error',
    message: 'This gateway is being shut down.',
    remedy: 'Try again: another gateway takes the request.',
  },
  upstream_timeout: {
    status: 504,
    type: 'server_error',
    anthropicType: 'timeout_error',
    message: 'The model did not answer in time.',
    remedy: 'Try again, request a shorter answer, or ask an operator to raise the timeouts of the route.',
  },
} as const satisfies Readonly<Record<string, GatewayErrorFacts>>

export type GatewayErrorCode = keyof typeof gatewayErrors

const maxDetailLength = 160

/** The message of an error for a person; `detail` is cut to 160 characters. Encode it: it may hold what a client sent. */
export function gatewayErrorMessage(code: GatewayErrorCode, detail = 'that'): string {
  const bounded = detail.length > maxDetailLength ? `${detail.slice(0, maxDetailLength)}…` : detail
  return gatewayErrors[code].message.replace('{detail}', () => bounded)
}
