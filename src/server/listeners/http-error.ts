import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import { type GatewayErrorCode, gatewayErrorMessage, gatewayErrors } from '../../routing/errors/gateway-errors.ts'

/** Why a request is refused before anybody looks at what it wants. */
export type HttpFault = { code: GatewayErrorCode; detail?: string }

/** Faults of a request's head that Node's parser accepts (RFC 9112, sections 3.2 and 6.1). */
export function findHeadFault(request: IncomingMessage): HttpFault | undefined {
  if (!request.url?.startsWith('/')) return malformed('the request target is not a path')
  if (countHosts(request.rawHeaders) > 1) return malformed('it has more than one Host header')
  if (request.httpVersionMinor === 0 && request.headers['transfer-encoding'] !== undefined)
    return malformed('HTTP/1.0 has no Transfer-Encoding')
  return undefined
}

/** The answer to a client whose request cannot be parsed or does not arrive in time. */
export function faultOfParser(error: NodeJS.ErrnoException): HttpFault {
  if (error.code === 'HPE_HEADER_OVERFLOW') return { code: 'headers_too_large' }
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return { code: 'request_timeout' }
  return malformed('its bytes are not HTTP/1.1')
}

/** The answer to a client that has stopped sending its body. */
export function faultOfSilence(): HttpFault {
  return { code: 'request_timeout' }
}

/** Answers, and closes the connection: what follows in it cannot be trusted. */
export function refuse(response: ServerResponse, found: HttpFault): void {
  const body = bodyOf(found)
  response.writeHead(gatewayErrors[found.code].status, { ...headersOf(body), connection: 'close' }).end(body)
}

/** The same as bytes, for a connection that has no response object. */
export function rawRefusal(found: HttpFault): string {
  const body = bodyOf(found)
  const headers = Object.entries({ ...headersOf(body), connection: 'close' }).map(
    ([name, value]) => `${name}: ${value}`,
  )
  const { status } = gatewayErrors[found.code]
  return [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...headers, '', body].join('\r\n')
}

/** OpenAI's envelope, which the gateway's clients read; others read the text. */
function bodyOf({ code, detail }: HttpFault): string {
  const { type } = gatewayErrors[code]
  return JSON.stringify({ error: { message: gatewayErrorMessage(code, detail), type, param: null, code } })
}

function headersOf(body: string): Record<string, string | number> {
  return { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
}

function countHosts(rawHeaders: readonly string[]): number {
  let count = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    if (name.length === 4 && name.toLowerCase() === 'host') count++
  }
  return count
}

function malformed(detail: string): HttpFault {
  return { code: 'bad_request', detail }
}
