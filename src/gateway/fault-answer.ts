import { STATUS_CODES } from 'node:http'
import { gatewayErrors } from '../routing/errors.ts'
import { protocolOf } from '../routing/operation.ts'
import type { HeadFault } from './downstream/connection.ts'
import { errorBody } from './error-answer.ts'
import { createRequestId } from './request-id.ts'

/** The answer to what is not even a request, in bytes; the connection ends behind it. */
export function answerToFault(fault: HeadFault, detail: string, target: string): Buffer {
  const { status } = gatewayErrors[fault]
  const id = createRequestId(Date.now())
  const protocol = protocolOf(target.split('?', 1)[0]!)
  const body = errorBody(fault, protocol, id, detail)
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'content-type: application/json',
    `content-length: ${body.length}`,
    `x-request-id: ${id}`,
    ...(protocol === 'anthropic' ? [`request-id: ${id}`] : []),
    'x-signalbox-attempts: 0',
    'connection: close',
  ]
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body])
}
