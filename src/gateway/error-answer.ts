/** What the gateway says itself, in the client's protocol. */
import { type GatewayErrorCode, gatewayErrorMessage, gatewayErrors } from '../routing/errors.ts'
import type { Operation, Protocol } from '../routing/operation.ts'

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

/** An error as the last event of a stream. Streams of responses have a form of their own; the rest is the envelope. */
export function errorEvent(code: GatewayErrorCode, operation: Operation, requestId: string): Buffer {
  const data =
    operation.path === '/v1/responses'
      ? { type: 'error', code, message: gatewayErrorMessage(code), param: null }
      : envelope(code, operation.protocol, requestId)
  return Buffer.from(`event: error\ndata: ${JSON.stringify(data)}\n\n`)
}
