/** The fault of a request whose head could be read. */
import type { GatewayErrorCode } from '../../routing/errors/gateway-errors.ts'
import type { Operation } from '../../routing/vendors/operation.ts'
import type { ContentCoding } from './decoded-body.ts'
import type { RequestHead } from '../http1/server/request-head.ts'
import { readParameters, valueOf } from '../http1/header-parameters.ts'

export interface Fault {
  readonly code: GatewayErrorCode
  readonly detail?: string
  /** What the answer says besides: name, value, name, value, … */
  readonly headers?: readonly string[]
}

/** The fault of the HTTP message itself; null if there is none. */
export function messageFault(head: RequestHead): Fault | null {
  if (head.hosts !== 1) return malformed('there must be one Host header')
  if (!/^\/[\x21-\x7e]*$/.test(head.target)) return malformed('the request target must be a path')
  if (head.isChunked && head.isHttp10) return malformed('HTTP/1.0 has no Transfer-Encoding')
  if (head.method === 'GET' && head.hasBody) return malformed('a GET has no body')
  if (head.expectation !== null && head.expectation !== '100-continue') return { code: 'expectation_failed' }
  if (head.upgrade !== '' && /\bwebsocket\b/i.test(head.upgrade)) return noWebSocket
  return null
}

function malformed(detail: string): Fault {
  return { code: 'bad_request', detail }
}

/** RFC 9110 § 15.5.22: the answer names a protocol that is offered. */
const noWebSocket: Fault = { code: 'upgrade_required', headers: ['upgrade', 'HTTP/1.1', 'connection', 'upgrade'] }

export function takesMethod({ method }: Operation, used: string): boolean {
  return used === method || (method === 'GET' && used === 'HEAD')
}

/** The fault of the body that is visible in the head; null if there is none. */
export function bodyFault(head: RequestHead, operation: Operation, maxRequestBytes: number): Fault | null {
  if (head.contentEncoding !== '' && codingOf(head) === null) return undecodable
  if (bodyKindOf(head, operation) === null) return { code: 'unsupported_media_type' }
  return (head.contentLength ?? 0) > maxRequestBytes ? { code: 'request_too_large' } : null
}

/** RFC 9110 § 12.5.3: the answer names the codings that would be taken. */
const undecodable: Fault = { code: 'unsupported_media_type', headers: ['accept-encoding', 'gzip, zstd'] }

/** The content coding to decode; null if there is none or it is unknown. */
export function codingOf({ contentEncoding }: RequestHead): ContentCoding | null {
  switch (contentEncoding) {
    case 'gzip':
    case 'x-gzip':
      return 'gzip'
    case 'zstd':
      return 'zstd'
    default:
      return null
  }
}

/** How the body is to be read; null: the operation does not take that. A body without a type is taken for JSON. */
export function bodyKindOf(head: RequestHead, operation: Operation): 'json' | 'multipart' | null {
  if (head.contentType === 'application/json' && operation.bodies[0] === 'json') return 'json'
  const type = head.contentType.split(';', 1)[0]!.trim().toLowerCase()
  const kind = type === 'multipart/form-data' ? 'multipart' : isJson(type) ? 'json' : null
  if (kind === 'json' && !isUtf8Type(head.contentType)) return null
  return kind !== null && operation.bodies.includes(kind) ? kind : null
}

function isJson(type: string): boolean {
  return type === '' || type === 'application/json' || (type.startsWith('application/') && type.endsWith('+json'))
}

/** The model is looked for, and replaced, in bytes of UTF-8 (RFC 8259 § 8.1). */
function isUtf8Type(contentType: string): boolean {
  if (!/charset/i.test(contentType)) return true
  const charsets = readParameters(contentType)?.filter(({ name }) => name === 'charset') ?? []
  return charsets.length === 1 && /^utf-?8$/i.test(valueOf(charsets[0]!))
}
