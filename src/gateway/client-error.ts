/** Answers to what is not even a request: Node's parser gave up on it. */
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { type GatewayErrorCode, gatewayErrors } from '../routing/errors.ts'
import { errorBody } from './error-answer.ts'
import { createRequestId } from './request-id.ts'

/** `isAnswering`: an answer is under way on this connection, and nothing may get into it. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Duplex, isAnswering: boolean): void {
  if (isAnswering || !socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const code = codeOf(error.code)
  const { status } = gatewayErrors[code]
  const id = createRequestId(Date.now())
  const body = errorBody(code, 'openai', id, 'it cannot be parsed')
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'content-type: application/json',
    `content-length: ${body.length}`,
    `x-request-id: ${id}`,
    'x-signalbox-attempts: 0',
    'connection: close',
  ]
  socket.end(Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]), () => socket.destroy())
}

function codeOf(parserCode: string | undefined): GatewayErrorCode {
  if (parserCode === 'HPE_HEADER_OVERFLOW') return 'headers_too_large'
  return parserCode === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'request_timeout' : 'bad_request'
}
