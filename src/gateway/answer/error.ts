/** What the gateway says itself, in the client's protocol. */
import { type GatewayErrorCode, gatewayErrorMessage, gatewayErrors } from '../../routing/errors/gateway-errors.ts'
import type { Operation, Protocol } from '../../routing/vendors/operation.ts'
import { findUpstreamError, parseObject } from '../../routing/health/upstream-error.ts'
import type { RequestOutcome } from '../../routing/config/vocabulary.ts'

/** An error as a JSON body: OpenAI's envelope, or Anthropic's. */
export function errorBody(code: GatewayErrorCode, protocol: Protocol, requestId: string, detail?: string): Buffer {
  return Buffer.from(JSON.stringify(envelope(code, protocol, requestId, detail)))
}

function envelope(code: GatewayErrorCode, protocol: Protocol, requestId: string, detail?: string): object {
  const facts = gatewayErrors[code]
  const message = gatewayErrorMessage(code, detail)
  if (protocol === 'anthropic')
    return { type: 'error', error: { type: facts.anthropicType, message }, request_id: requestId }
  return { error: { message, type: facts.type, param: aboutModel.has(code) ? 'model' : null, code } }
}

const aboutModel: ReadonlySet<GatewayErrorCode> = new Set([
  'missing_model',
  'duplicate_model',
  'model_not_found',
  'route_not_allowed',
])

/**
 * An error as the last event of a stream. Streams of responses have a form of their own, with a number (`ResponseErrorEvent` of
 * OpenAI's clients); the rest is the envelope. `lastNumber`: that of the last event that the client has; null: none had one.
 */
export function errorEvent(
  code: GatewayErrorCode,
  operation: Operation,
  requestId: string,
  lastNumber: number | null,
): Buffer {
  const number = lastNumber === null ? 0 : lastNumber + 1
  const data =
    operation.path === '/v1/responses'
      ? { type: 'error', code, message: gatewayErrorMessage(code), param: null, sequence_number: number }
      : envelope(code, operation.protocol, requestId)
  return eventOf(data)
}

/** An upstream's own error as the only event of a stream: as it came if it has the client's form, else in that form. `body`: its JSON. */
export function upstreamErrorEvent(body: string, operation: Operation, requestId: string): Buffer {
  return eventOf(upstreamErrorData(parseObject(body) ?? {}, operation, requestId))
}

function upstreamErrorData(top: Readonly<Record<string, unknown>>, operation: Operation, requestId: string): object {
  const error = findUpstreamError(top)
  const message = error?.message || gatewayErrorMessage('upstream_invalid_answer')
  const code = error?.codes[0] ?? null
  if (operation.path === '/v1/responses') return { type: 'error', code, message, param: null, sequence_number: 0 }
  const hasObject = typeof top['error'] === 'object' && top['error'] !== null
  if (operation.protocol === 'anthropic') {
    if (hasObject && top['type'] === 'error') return top
    return { type: 'error', error: { type: 'api_error', message }, request_id: requestId }
  }
  return hasObject ? { error: top['error'] } : { error: { message, type: 'server_error', param: null, code } }
}

function eventOf(data: object): Buffer {
  return Buffer.from(`event: error\ndata: ${JSON.stringify(data)}\n\n`)
}

/** How a request ended that got this error. */
export function outcomeOfError(code: GatewayErrorCode): RequestOutcome {
  switch (code) {
    case 'invalid_api_key':
    case 'route_not_allowed':
      return 'DENIED'
    case 'rate_limit_exceeded':
    case 'insufficient_quota':
      return 'LIMITED'
    case 'upstream_timeout':
      return 'TIMEOUT'
    case 'upstream_unreachable':
    case 'upstream_auth_failed':
    case 'upstream_truncated':
    case 'upstream_invalid_answer':
    case 'no_target_available':
      return 'UPSTREAM_ERROR'
    case 'internal_error':
    case 'overloaded':
    case 'configuration_stale':
    case 'shutting_down':
      return 'GATEWAY_ERROR'
    case 'bad_request':
    case 'invalid_json':
    case 'invalid_multipart':
    case 'missing_model':
    case 'duplicate_model':
    case 'model_not_found':
    case 'operation_not_served':
    case 'unknown_url':
    case 'method_not_allowed':
    case 'request_timeout':
    case 'request_too_large':
    case 'unsupported_media_type':
    case 'expectation_failed':
    case 'upgrade_required':
    case 'headers_too_large':
      return 'CLIENT_ERROR'
  }
}
