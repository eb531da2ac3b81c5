/** The edges of HTTP: what Node's parser lets through and a gateway must not (DESIGN § 4.7). */
import type { IncomingMessage } from 'node:http'
import type { GatewayErrorCode } from '../routing/errors.ts'
import type { Operation } from '../routing/operation.ts'
import type { RequestHead } from './request-head.ts'

export interface Fault {
  readonly code: GatewayErrorCode
  readonly detail?: string
}

/** What is wrong with the message itself, whatever it asks for; null if nothing is. */
export function messageFault(request: IncomingMessage, head: RequestHead): Fault | null {
  if (head.hosts !== 1) return malformed('there must be one Host header')
  if (!/^\/[\x21-\x7e]*$/.test(request.url ?? '')) return malformed('the request target must be a path')
  if (head.isChunked && request.httpVersion === '1.0') return malformed('HTTP/1.0 has no Transfer-Encoding')
  if (request.method === 'GET' && hasBody(head)) return malformed('a GET has no body')
  if (head.expectation !== null && head.expectation !== '100-continue') return { code: 'expectation_failed' }
  return null
}

function malformed(detail: string): Fault {
  return { code: 'bad_request', detail }
}

function hasBody(head: RequestHead): boolean {
  return head.isChunked || (head.contentLength ?? 0) > 0
}

/** What is wrong with the message for this operation; null if nothing is. */
export function operationFault(
  request: IncomingMessage,
  head: RequestHead,
  operation: Operation,
  maxRequestBytes: number,
): Fault | null {
  if (!takesMethod(operation, request.method)) return { code: 'method_not_allowed' }
  if (operation.bodies.length === 0) return null
  if (head.isEncoded || bodyKindOf(head, operation) === null) return { code: 'unsupported_media_type' }
  return (head.contentLength ?? 0) > maxRequestBytes ? { code: 'request_too_large' } : null
}

function takesMethod({ method }: Operation, used: string | undefined): boolean {
  return used === method || (method === 'GET' && used === 'HEAD')
}

/** How the body is to be read; null: the operation does not take that. A body without a type is taken for JSON. */
export function bodyKindOf(head: RequestHead, operation: Operation): 'json' | 'multipart' | null {
  if (head.contentType === 'application/json' && operation.bodies[0] === 'json') return 'json'
  const type = head.contentType.split(';', 1)[0]!.trim().toLowerCase()
  const kind = type === 'multipart/form-data' ? 'multipart' : isJson(type) ? 'json' : null
  return kind !== null && operation.bodies.includes(kind) ? kind : null
}

function isJson(type: string): boolean {
  return type === '' || type === 'application/json' || (type.startsWith('application/') && type.endsWith('+json'))
}
