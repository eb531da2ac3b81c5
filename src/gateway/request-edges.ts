/** What is wrong with a request whose head could be read. */
import type { GatewayErrorCode } from '../routing/errors.ts'
import type { Operation } from '../routing/operation.ts'
import type { RequestHead } from './downstream/request-head.ts'

export interface Fault {
  readonly code: GatewayErrorCode
  readonly detail?: string
}

/** What is wrong with the message itself, whatever it asks for; null if nothing is. */
export function messageFault(head: RequestHead): Fault | null {
  if (head.hosts !== 1) return malformed('there must be one Host header')
  if (!/^\/[\x21-\x7e]*$/.test(head.target)) return malformed('the request target must be a path')
  if (head.isChunked && head.isHttp10) return malformed('HTTP/1.0 has no Transfer-Encoding')
  if (head.method === 'GET' && head.hasBody) return malformed('a GET has no body')
  if (head.expectation !== null && head.expectation !== '100-continue') return { code: 'expectation_failed' }
  return null
}

function malformed(detail: string): Fault {
  return { code: 'bad_request', detail }
}

export function takesMethod({ method }: Operation, used: string): boolean {
  return used === method || (method === 'GET' && used === 'HEAD')
}

/** What is wrong with the body, as far as the head tells; null if nothing is. */
export function bodyFault(head: RequestHead, operation: Operation, maxRequestBytes: number): Fault | null {
  if (head.isEncoded || bodyKindOf(head, operation) === null) return { code: 'unsupported_media_type' }
  return (head.contentLength ?? 0) > maxRequestBytes ? { code: 'request_too_large' } : null
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
